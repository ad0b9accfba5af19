/* Sends RTP as a room full of phones does: every flow its packets at an even pace, all flows evenly
 * spread over the 20 ms, each packet stamped with its send time.
 *
 *   generator TABLE FLOWS PACKETS_PER_SECOND SECONDS FIRST_SEQUENCE BURST_US INTERFACE_A INTERFACE_B
 *
 * TABLE holds a record of 256 bytes for each flow, made by phones.py. One line of JSON on standard
 * output tells what was sent.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	BATCH = 32, /* packets in one system call; more gain nothing and delay the first of them */
	FRAME_SPACE = 252,
	UDP_CHECKSUM = 40, /* offsets into an Ethernet frame with IPv4 and UDP */
	RTP_SEQUENCE = 44,
	RTP_TIMESTAMP = 46,
	RTP_PAYLOAD = 54,
	TICKS_PER_PACKET = 160,
	STAMP_SHIFT = 6,
	SEND_BUFFER = 8 << 20,
};

struct flow {
	uint8_t leg;
	uint8_t spare;
	uint16_t length;
	uint8_t frame[FRAME_SPACE];
};

struct outlet {
	int socket;
	int waiting;
	struct mmsghdr messages[BATCH];
	struct iovec parts[BATCH];
	uint8_t frames[BATCH][FRAME_SPACE];
};

static struct outlet outlets[2];
static uint64_t sent, refused;

static uint64_t monotonic(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * UINT64_C(1000000000) + now.tv_nsec;
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void open_outlet(struct outlet *outlet, const char *interface)
{
	int on = 1, buffer = SEND_BUFFER;
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(interface) };

	outlet->socket = socket(AF_PACKET, SOCK_RAW, 0);
	if (outlet->socket < 0 || !address.sll_ifindex)
		fail(interface);
	setsockopt(outlet->socket, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on);
	setsockopt(outlet->socket, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof buffer);
	if (bind(outlet->socket, (struct sockaddr *)&address, sizeof address))
		fail(interface);
	for (int i = 0; i < BATCH; i++) {
		outlet->parts[i].iov_base = outlet->frames[i];
		outlet->messages[i].msg_hdr.msg_iov = &outlet->parts[i];
		outlet->messages[i].msg_hdr.msg_iovlen = 1;
	}
}

static void flush(struct outlet *outlet)
{
	int done = 0;

	while (done < outlet->waiting) {
		int accepted = sendmmsg(outlet->socket, outlet->messages + done, outlet->waiting - done, 0);
		if (accepted > 0) {
			sent += accepted;
			done += accepted;
		} else if (errno == ENOBUFS || errno == EAGAIN) {
			refused++;
			done++;
		} else if (errno != EINTR) {
			fail("sendmmsg");
		}
	}
	outlet->waiting = 0;
}

static void put16(uint8_t *place, uint16_t value)
{
	place[0] = value >> 8;
	place[1] = value;
}

static void put32(uint8_t *place, uint32_t value)
{
	put16(place, value >> 16);
	put16(place + 2, value);
}

static void queue(const struct flow *flow, uint16_t sequence, uint32_t stamp)
{
	struct outlet *outlet = &outlets[flow->leg];
	uint8_t *frame = outlet->frames[outlet->waiting];
	uint32_t timestamp = (uint32_t)sequence * TICKS_PER_PACKET;

	memcpy(frame, flow->frame, flow->length);
	put16(frame + RTP_SEQUENCE, sequence);
	put32(frame + RTP_TIMESTAMP, timestamp);
	put32(frame + RTP_PAYLOAD, stamp);
	/* RFC 1624: these words were zero when the checksum of the record was made. */
	uint16_t checksum = flow->frame[UDP_CHECKSUM] << 8 | flow->frame[UDP_CHECKSUM + 1];
	uint32_t sum = (uint16_t)~checksum;
	sum += sequence;
	sum += (timestamp >> 16) + (timestamp & 0xffff);
	sum += (stamp >> 16) + (stamp & 0xffff);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	put16(frame + UDP_CHECKSUM, sum == 0xffff ? 0xffff : ~sum);

	outlet->parts[outlet->waiting].iov_len = flow->length;
	if (++outlet->waiting == BATCH)
		flush(outlet);
}

int main(int count, char **arguments)
{
	if (count != 9) {
		fprintf(stderr, "see the head of generator.c\n");
		return 2;
	}
	int file = open(arguments[1], O_RDONLY);
	struct stat status;
	if (file < 0 || fstat(file, &status))
		fail(arguments[1]);
	struct flow *table = mmap(NULL, status.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
	if (table == MAP_FAILED)
		fail(arguments[1]);
	uint64_t flows = strtoull(arguments[2], NULL, 10);
	double interval = 1e9 / strtod(arguments[3], NULL);
	uint64_t total = strtod(arguments[4], NULL) * 1e9 / interval;
	uint16_t first_sequence = strtoul(arguments[5], NULL, 10);
	uint64_t burst = strtoull(arguments[6], NULL, 10) * 1000;
	if (!flows || flows * sizeof *table > (uint64_t)status.st_size) {
		fprintf(stderr, "the table has fewer flows\n");
		return 2;
	}
	for (int leg = 0; leg < 2; leg++)
		open_outlet(&outlets[leg], arguments[7 + leg]);

	uint64_t start = monotonic(), release = start;
	for (uint64_t number = 0; number < total;) {
		uint64_t now = monotonic();
		if (now < release)
			continue;
		if (burst)
			release += ((now - release) / burst + 1) * burst;
		uint64_t due = (now - start) / interval + 1;
		if (due > total)
			due = total;
		for (; number < due; number++) {
			if (!outlets[0].waiting && !outlets[1].waiting)
				now = monotonic();
			queue(&table[number % flows], first_sequence + number / flows, now >> STAMP_SHIFT);
		}
		flush(&outlets[0]);
		flush(&outlets[1]);
	}
	printf("{\"sent\": %" PRIu64 ", \"refused\": %" PRIu64 ", \"seconds\": %.6f}\n", sent, refused,
	       (monotonic() - start) / 1e9);
	return 0;
}
