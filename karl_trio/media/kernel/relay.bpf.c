// The kernel's road of a packet: rewrites the RTP of promoted streams where it comes in, and sends it on.
//
// Every packet that comes in at an interface of ours passes here before the IP stack. What belongs to a
// promoted stream gets the addresses, ports, TOS and TTL that the userspace road would have given it, and
// leaves by the neighbour of its route. Everything else goes on to the stack, and so to the stream's socket,
// untouched: other sources, STUN, DTLS, RTCP, other payload types and SSRCs, fragments, IP options, and
// sequence numbers that need a thought. Nothing is learned here, and nothing is dropped that was not broken
// on the way out.
//
// scripts/build-bpf makes bytecode.py of this file; the layouts below are those of flows.py.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#define SEC(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))

static void *(*const map_lookup)(void *map, const void *key) = (void *)BPF_FUNC_map_lookup_elem;
static __u64 (*const now_ns)(void) = (void *)BPF_FUNC_ktime_get_ns;
static long (*const store)(struct __sk_buff *, __u32 offset, const void *, __u32 size, __u64 flags) =
    (void *)BPF_FUNC_skb_store_bytes;
static long (*const replace_checksum)(struct __sk_buff *, __u32 offset, __u64 from, __u64 to, __u64 flags) =
    (void *)BPF_FUNC_l4_csum_replace;
static long (*const change_family)(struct __sk_buff *, __be16 protocol, __u64 flags) =
    (void *)BPF_FUNC_skb_change_proto;
static long (*const change_length)(struct __sk_buff *, __u32 length, __u64 flags) =
    (void *)BPF_FUNC_skb_change_tail;
static long (*const pull)(struct __sk_buff *, __u32 length) = (void *)BPF_FUNC_skb_pull_data;
static long (*const send)(__u32 interface, const struct bpf_redir_neigh *, int size, __u64 flags) =
    (void *)BPF_FUNC_redirect_neigh;

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the bytecode is built for machines of this byte order"
#endif
#define swap16(x) __builtin_bswap16(x)

// What tcx and tc understand alike (TCX_NEXT and TC_ACT_UNSPEC, TCX_DROP and TC_ACT_SHOT).
#define PASS_ON (-1)
#define DROP 2

#define IP_DF 0x4000
#define IP_FRAGMENT 0x3fff  // more fragments, or an offset

// As in rtp/sequence.py; what is late by more than a window needs the memory that userspace has.
#define MAX_DROPOUT 3000
#define WINDOW 64
// As in rtp/reception.py: a transit time that changes by more, in seconds, says nothing about jitter.
#define MAX_TRANSIT_CHANGE 2
#define LONGEST_PAUSE (1ull << 37)  // ns; with it no product of a flow's scale exceeds 64 bits

struct address {
    __be32 words[4];  // IPv4 as ::ffff:a.b.c.d
};

struct flow_key {
    struct address source, destination;
    __be16 source_port, destination_port;
};

// What becomes of a stream's packets.
struct flow {
    __u64 payload_types[2];  // a bit for each that is passed on
    struct address source, destination;
    __be16 source_port, destination_port;
    __be32 ssrc;
    __u32 interface;      // that it leaves by
    __u32 counter;        // its index
    __u32 clock_rate;     // Hz
    __u32 scale;          // ticks in 2^32 ns: what a multiplication does need not be divided
    __u32 max_length;     // octets from the IP header on; longer packets have to be fragmented
    __u32 address_change; // of the checksum's pseudo header: new minus old, in one's complement
    __u32 port_change;
    __u32 arrives;        // the interface that answers would leave by
    __u8 family;          // 4 or 6, outgoing
    __u8 tos;
    __u8 ttl;
    __u8 stays;           // it goes to this host itself
    struct bpf_redir_neigh next_hop;  // known beforehand, so that no packet needs a look at the routes
};

// What was counted of it; in an array that is mapped into the process, so that no update of a flow can
// wipe it, and reading it takes no system call. What every packet changes is in the first of two cache lines.
struct counter {
    __u64 packets, octets;  // passed on; octets as UDP payload
    __u64 last;          // ns of the monotonic clock
    __u64 seen;          // the last numbers: bit n is the highest minus n
    __u64 stamped;       // when the newest timestamp came, in ns; 0 if that is not known
    __u32 advanced;      // by how much the highest number has grown
    __u32 jitter;        // sixteenths of a tick (RFC 3550, A.8)
    __u32 timestamp;     // the newest
    __u32 payload_type;  // the newest
    __u16 highest;       // sequence number
    __u16 known;         // how many below it can be told to be late or a copy
    __u32 lost, reordered, duplicates;
    __u64 errors;        // dropped
} __attribute__((aligned(64)));

// Type, size of a key, size of a value, flags; how many there are is decided when they are made.
struct map {
    __u32 type, key, value, flags;
};

struct map flows SEC("maps") = {BPF_MAP_TYPE_HASH, sizeof(struct flow_key), sizeof(struct flow), 0};
struct map counters SEC("maps") = {BPF_MAP_TYPE_ARRAY, sizeof(__u32), sizeof(struct counter), BPF_F_MMAPABLE};

struct rtp {
    __u8 first;
    __u8 payload_type;  // and the marker
    __be16 sequence;
    __be32 timestamp;
    __be32 ssrc;
};

struct packet {
    __u8 is_ipv6;
    __u8 has_checksum;
    __u8 payload_type;
    __u8 hops;
    __u16 sequence;
    __u32 length;   // of the UDP payload
    __u32 excess;   // octets behind the IP packet: an Ethernet frame is never shorter than 60
    __u32 timestamp;
    __be32 ssrc;
};

// Sums up an IPv4 header without options, in one's complement (RFC 1071).
INLINE __u16 header_sum(const struct iphdr *ip)
{
    const __u32 *words = (const void *)ip;
    __u64 sum = (__u64)words[0] + words[1] + words[2] + words[3] + words[4];
    sum = (sum & 0xffff) + ((sum >> 16) & 0xffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    return (sum & 0xffff) + (sum >> 16);
}

// Sees to it that so many octets of the packet can be read in place; returns whether they can.
INLINE int reach(struct __sk_buff *skb, __u32 size)
{
    if ((void *)(long)skb->data + size <= (void *)(long)skb->data_end)
        return 1;
    return skb->len >= size && !pull(skb, size);
}

// Reads what comes behind the IP header. `total` is the length of the IP packet, `header` that of its header.
INLINE int parse_udp(struct __sk_buff *skb, const struct udphdr *udp, __u32 total, __u32 header,
                     struct flow_key *key, struct packet *packet)
{
    packet->length = total - header - sizeof(*udp);
    if (packet->length < sizeof(struct rtp) || swap16(udp->len) != packet->length + sizeof(*udp))
        return 0;
    if (skb->len < ETH_HLEN + total)
        return 0;
    packet->excess = skb->len - ETH_HLEN - total;
    packet->has_checksum = udp->check != 0;
    key->source_port = udp->source;
    key->destination_port = udp->dest;

    const struct rtp *rtp = (const void *)(udp + 1);
    packet->payload_type = rtp->payload_type & 0x7f;
    packet->sequence = swap16(rtp->sequence);
    packet->timestamp = __builtin_bswap32(rtp->timestamp);
    packet->ssrc = rtp->ssrc;
    return rtp->first >> 6 == 2;
}

// Reads a packet; returns whether it may be RTP of a promoted stream.
INLINE int parse_ipv4(struct __sk_buff *skb, struct flow_key *key, struct packet *packet)
{
    const __u32 size = ETH_HLEN + sizeof(struct iphdr) + sizeof(struct udphdr) + sizeof(struct rtp);
    if (!reach(skb, size))
        return 0;
    void *data = (void *)(long)skb->data;
    if (data + size > (void *)(long)skb->data_end)
        return 0;
    const struct iphdr *ip = data + ETH_HLEN;
    if (ip->version != 4 || ip->ihl != 5 || ip->protocol != IPPROTO_UDP)
        return 0;
    // The stack checks the sum for what goes up; what does not must not get a new one over a broken one.
    if ((ip->frag_off & swap16(IP_FRAGMENT)) || header_sum(ip) != 0xffff)
        return 0;
    packet->hops = ip->ttl;
    key->source.words[2] = key->destination.words[2] = swap16(0xffff) << 16;
    key->source.words[3] = ip->saddr;
    key->destination.words[3] = ip->daddr;
    return parse_udp(skb, (const void *)(ip + 1), swap16(ip->tot_len), sizeof(*ip), key, packet);
}

INLINE int parse_ipv6(struct __sk_buff *skb, struct flow_key *key, struct packet *packet)
{
    const __u32 size = ETH_HLEN + sizeof(struct ipv6hdr) + sizeof(struct udphdr) + sizeof(struct rtp);
    if (!reach(skb, size))
        return 0;
    void *data = (void *)(long)skb->data;
    if (data + size > (void *)(long)skb->data_end)
        return 0;
    const struct ipv6hdr *ip = data + ETH_HLEN;
    if (ip->version != 6 || ip->nexthdr != IPPROTO_UDP)
        return 0;
    packet->is_ipv6 = 1;
    packet->hops = ip->hop_limit;
    __builtin_memcpy(&key->source, &ip->saddr, sizeof(ip->saddr));
    __builtin_memcpy(&key->destination, &ip->daddr, sizeof(ip->daddr));
    __u32 total = sizeof(*ip) + swap16(ip->payload_len);
    // A checksum is a duty here (RFC 8200, 8.1).
    return parse_udp(skb, (const void *)(ip + 1), total, sizeof(*ip), key, packet) && packet->has_checksum;
}

INLINE int parse(struct __sk_buff *skb, struct flow_key *key, struct packet *packet)
{
    if (skb->protocol == swap16(ETH_P_IP))
        return parse_ipv4(skb, key, packet);
    if (skb->protocol == swap16(ETH_P_IPV6))
        return parse_ipv6(skb, key, packet);
    return 0;
}

// Follows the sequence numbers from where userspace was, as rtp/reception.py does; returns whether it could.
INLINE int follow(struct counter *counter, __u16 sequence)
{
    __u16 ahead = sequence - counter->highest;
    if (ahead && ahead < MAX_DROPOUT) {
        counter->seen = ahead < WINDOW ? counter->seen << ahead | 1 : 1;
        counter->lost += ahead - 1;
        counter->highest = sequence;
        counter->advanced += ahead;
        counter->known = counter->known + ahead < WINDOW ? counter->known + ahead : WINDOW - 1;
    } else {
        __u16 behind = -ahead;
        if (behind > counter->known)
            return 0;
        __u64 bit = 1ull << behind;
        if (counter->seen & bit) {
            counter->duplicates += 1;
        } else {
            counter->seen |= bit;
            counter->lost -= 1;
            counter->reordered += 1;
        }
    }
    return 1;
}

// Measures interarrival jitter as rtp/reception.py does, at the first packet of each timestamp.
INLINE void measure(struct counter *counter, __u32 timestamp, __u64 now, const struct flow *flow)
{
    if (timestamp == counter->timestamp)
        return;
    __u64 pause = now - counter->stamped;
    if (counter->stamped && pause < LONGEST_PAUSE) {
        // Both may wrap: only their difference counts.
        __s32 change = (__u32)(pause * flow->scale >> 32) - (timestamp - counter->timestamp);
        __u32 distance = change < 0 ? -change : change;
        if (distance <= MAX_TRANSIT_CHANGE * flow->clock_rate)
            counter->jitter += distance - ((counter->jitter + 8) >> 4);
    }
    counter->timestamp = timestamp;
    counter->stamped = now;
}

INLINE struct iphdr ipv4_header(const struct flow *flow, __u32 length, __u8 hops)
{
    struct iphdr ip = {
        .version = 4,
        .ihl = 5,
        .tos = flow->tos,
        .tot_len = swap16(length + sizeof(ip)),
        .frag_off = swap16(IP_DF),
        .ttl = hops,
        .protocol = IPPROTO_UDP,
        .saddr = flow->source.words[3],
        .daddr = flow->destination.words[3],
    };
    ip.check = ~header_sum(&ip);
    return ip;
}

INLINE struct ipv6hdr ipv6_header(const struct flow *flow, __u32 length, __u8 hops)
{
    struct ipv6hdr ip = {
        .version = 6,
        .priority = flow->tos >> 4,
        .flow_lbl = {flow->tos << 4, 0, 0},
        .payload_len = swap16(length),
        .nexthdr = IPPROTO_UDP,
        .hop_limit = hops,
    };
    __builtin_memcpy(&ip.saddr, &flow->source, sizeof(ip.saddr));
    __builtin_memcpy(&ip.daddr, &flow->destination, sizeof(ip.daddr));
    return ip;
}

// Writes the headers of IPv4 over those of IPv4. A checksum of the whole packet, which a network card may
// have made, does not mind: every IPv4 header sums up to nothing.
INLINE int overwrite(struct __sk_buff *skb, const struct iphdr *ip, __u32 ports)
{
    void *data = (void *)(long)skb->data + ETH_HLEN;
    if (data + sizeof(*ip) + sizeof(ports) > (void *)(long)skb->data_end)
        return 0;
    __builtin_memcpy(data, ip, sizeof(*ip));
    __builtin_memcpy(data + sizeof(*ip), &ports, sizeof(ports));
    return 1;
}

INLINE int rewrite(struct __sk_buff *skb, const struct packet *packet, const struct flow *flow)
{
    __u32 udp = ETH_HLEN + (packet->is_ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
    __u32 checksum = udp + __builtin_offsetof(struct udphdr, check);
    __u32 length = packet->length + sizeof(struct udphdr);
    __u32 ports = flow->source_port | (__u32)flow->destination_port << 16;
    // Within this host it counts down, so that no packet can go round in circles for ever.
    __u8 hops = flow->stays ? packet->hops - 1 : flow->ttl;

    if (packet->excess && change_length(skb, udp + length, 0))
        return 0;
    // The pseudo header by itself: a packet of a program on this host may have no more of a checksum yet.
    if (replace_checksum(skb, checksum, 0, flow->address_change, BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0))
        return 0;
    if (replace_checksum(skb, checksum, 0, flow->port_change, BPF_F_MARK_MANGLED_0))
        return 0;
    if (flow->family == 4) {
        struct iphdr ip = ipv4_header(flow, length, hops);
        if (!packet->is_ipv6)
            return overwrite(skb, &ip, ports);
        if (store(skb, udp, &ports, sizeof(ports), 0) || change_family(skb, swap16(ETH_P_IP), 0))
            return 0;
        if (store(skb, ETH_HLEN, &ip, sizeof(ip), BPF_F_RECOMPUTE_CSUM))
            return 0;
    } else {
        if (store(skb, udp, &ports, sizeof(ports), 0))
            return 0;
        if (!packet->is_ipv6 && change_family(skb, swap16(ETH_P_IPV6), 0))
            return 0;
        struct ipv6hdr ip = ipv6_header(flow, length, hops);
        if (store(skb, ETH_HLEN, &ip, sizeof(ip), BPF_F_RECOMPUTE_CSUM))
            return 0;
    }
    if (packet->is_ipv6 != (flow->family == 6)) {
        __be16 protocol = flow->family == 6 ? swap16(ETH_P_IPV6) : swap16(ETH_P_IP);
        if (store(skb, __builtin_offsetof(struct ethhdr, h_proto), &protocol, sizeof(protocol), 0))
            return 0;
    }
    return 1;
}

SEC("tc") int relay(struct __sk_buff *skb)
{
    // Frames for other hosts, frames of a VLAN before they came to its own interface, and what the network
    // card has put together from several packets are for the stack.
    if (skb->pkt_type || skb->vlan_present || skb->gso_size)
        return PASS_ON;
    struct flow_key key = {};
    struct packet packet = {};
    if (!parse(skb, &key, &packet))
        return PASS_ON;
    struct flow *flow = map_lookup(&flows, &key);
    if (!flow)
        return PASS_ON;

    // Elsewhere the stack decides by its own rules (rp_filter, martians) whether it may be true.
    if (skb->ifindex != flow->arrives)
        return PASS_ON;
    __u64 low = flow->payload_types[0], high = flow->payload_types[1];
    // Both are loaded: an address that depends on the packet is for those with CAP_PERFMON only.
    __asm__ volatile("" : "+r"(low), "+r"(high));
    if (!((packet.payload_type < 64 ? low : high) >> (packet.payload_type & 63) & 1))
        return PASS_ON;
    if (packet.ssrc != flow->ssrc)
        return PASS_ON;
    __u32 header = flow->family == 6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
    if (header + sizeof(struct udphdr) + packet.length > flow->max_length)
        return PASS_ON;
    if (flow->stays && packet.hops < 2)
        return PASS_ON;
    // Without a checksum it would have to be summed up, which no helper does.
    if (flow->family == 6 && !packet.has_checksum)
        return PASS_ON;
    struct counter *counter = map_lookup(&counters, &flow->counter);
    if (!counter || !follow(counter, packet.sequence))
        return PASS_ON;
    __u64 now = now_ns();
    measure(counter, packet.timestamp, now, flow);
    counter->payload_type = packet.payload_type;
    counter->last = now;

    if (!rewrite(skb, &packet, flow)) {
        // No memory for it. Half of it is rewritten, so it cannot go up any more.
        __sync_fetch_and_add(&counter->errors, 1);
        return DROP;
    }
    __sync_fetch_and_add(&counter->packets, 1);
    __sync_fetch_and_add(&counter->octets, packet.length);
    // What comes from an address of this host, as it does now, is believed only with the route that it left by.
    if (flow->stays)
        return send(flow->interface, 0, 0, 0);
    return send(flow->interface, &flow->next_hop, sizeof(flow->next_hop), 0);
}

char licence[] SEC("license") = "GPL";
