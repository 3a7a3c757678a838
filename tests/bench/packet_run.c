/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one run of the packet programs costs, by BPF_PROG_TEST_RUN: a part of `make bench-packets`.
 *
 *	packet_run ROUNDS NETNS PIN-FOLDER [xdp]
 *
 * NETNS is node1's of packets.sh, PIN-FOLDER has its agent's links. A packet that is not ours is
 *run many times in one call. One that is ours is changed by the program, so it is given anew in
 *each call; then the time of a run holds the reading of the clock too, as does that of the empty
 *program that is taken off.
 * With "xdp" it is the XDP program that is run.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "util/cleanup.h"

#define N_REPEAT    200000
#define N_CALLS	    2000
#define MAX_ROUNDS  201
#define PAYLOAD	    64
#define CLIENT_PORT 40000

/** struct packet - Ethernet, IP of either family, UDP and 64 bytes. @is_xdp: for that program. */
struct packet {
	unsigned char bytes[256];
	__u32 len;
	bool is_xdp;
};

static const struct shape {
	const char *name;
	const char *src[2], *dst[2];
	uint16_t port;
	int repeat;
} shapes[] = {
	{"not ours",
	 {"192.0.2.2", "2001:db8:2::2"},
	 {"198.51.100.99", "2001:db8:99::99"},
	 443,
	 N_REPEAT},
	{"established, backend here",
	 {"192.0.2.2", "2001:db8:2::2"},
	 {"192.0.2.1", "2001:db8:2::1"},
	 30080,
	 1},
	{"established, backend on the other node",
	 {"192.0.2.2", "2001:db8:2::2"},
	 {"192.0.2.1", "2001:db8:2::1"},
	 30081,
	 1},
};

#define N_SHAPES (sizeof(shapes) / sizeof(shapes[0]))

static void die(const char *what)
{
	fprintf(stderr, "packet_run: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void put_udp(struct packet *packet, uint16_t port)
{
	struct udphdr udp = {
		.uh_sport = htons(CLIENT_PORT),
		.uh_dport = htons(port),
		.uh_ulen = htons(sizeof(udp) + PAYLOAD),
		.uh_sum = htons(0xffff), /* adjusted, never checked, by the programs */
	};

	memcpy(packet->bytes + packet->len, &udp, sizeof(udp));
	packet->len += sizeof(udp) + PAYLOAD;
}

static uint16_t header_sum(const void *header, size_t n)
{
	const uint8_t *bytes = header;
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i += 2)
		sum += (uint32_t)(bytes[i] << 8 | bytes[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static struct packet make_packet(const struct shape *shape, bool is_ipv6)
{
	struct packet packet = {.len = sizeof(struct ether_header)};
	struct ether_header ethernet = {
		.ether_type = htons(is_ipv6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP),
	};
	const uint16_t len = sizeof(struct udphdr) + PAYLOAD;
	struct iphdr ipv4 = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP};
	struct ip6_hdr ipv6 = {.ip6_flow = htonl(6U << 28), .ip6_plen = htons(len)};

	memcpy(packet.bytes, &ethernet, sizeof(ethernet));
	if (is_ipv6) {
		ipv6.ip6_nxt = IPPROTO_UDP;
		ipv6.ip6_hlim = 64;
		inet_pton(AF_INET6, shape->src[1], &ipv6.ip6_src);
		inet_pton(AF_INET6, shape->dst[1], &ipv6.ip6_dst);
		memcpy(packet.bytes + packet.len, &ipv6, sizeof(ipv6));
		packet.len += sizeof(ipv6);
	} else {
		ipv4.tot_len = htons((uint16_t)(sizeof(ipv4) + len));
		inet_pton(AF_INET, shape->src[0], &ipv4.saddr);
		inet_pton(AF_INET, shape->dst[0], &ipv4.daddr);
		ipv4.check = header_sum(&ipv4, sizeof(ipv4));
		memcpy(packet.bytes + packet.len, &ipv4, sizeof(ipv4));
		packet.len += sizeof(ipv4);
	}
	put_udp(&packet, shape->port);
	return packet;
}

static int load_empty(bool is_xdp)
{
	const struct bpf_insn code[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = is_xdp ? XDP_PASS : -1},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return bpf_prog_load(is_xdp ? BPF_PROG_TYPE_XDP : BPF_PROG_TYPE_SCHED_CLS, "empty", "GPL",
			     code, ARRAY_SIZE(code), NULL);
}

/* The program that a pinned link runs. */
static int open_program(const char *folder, const char *direction, unsigned int ifindex)
{
	struct bpf_link_info info = {0};
	__u32 len = sizeof(info);
	char path[512];
	_close_ int link = -1;

	snprintf(path, sizeof(path), "%s/%s-%u", folder, direction, ifindex);
	link = bpf_obj_get(path);
	if (link < 0 || bpf_obj_get_info_by_fd(link, &info, &len))
		die(path);
	return bpf_prog_get_fd_by_id(info.prog_id);
}

static double run(int program, const struct packet *packet, unsigned int ifindex, int repeat)
{
	struct __sk_buff skb = {.ingress_ifindex = ifindex, .ifindex = ifindex};
	struct xdp_md xdp = {.ingress_ifindex = ifindex, .data_end = packet->len};
	unsigned char out[512];
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet->bytes,
		    .data_size_in = packet->len, .data_out = out, .data_size_out = sizeof(out),
		    .ctx_in = packet->is_xdp ? (void *)&xdp : &skb,
		    .ctx_size_in = packet->is_xdp ? sizeof(xdp) : sizeof(skb), .repeat = repeat);

	if (bpf_prog_test_run_opts(program, &options))
		die("BPF_PROG_TEST_RUN");
	return options.duration;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, int n)
{
	qsort(values, (size_t)n, sizeof(*values), compare_doubles);
	return values[n / 2];
}

/* Nanoseconds of one run: the kernel's own mean, or the median of many calls. */
static double cost(int program, const struct packet *packet, unsigned int ifindex, int repeat)
{
	static double values[N_CALLS];
	int i;

	if (repeat > 1)
		return run(program, packet, ifindex, repeat);
	for (i = 0; i < N_CALLS; i++)
		values[i] = run(program, packet, ifindex, 1);
	return median(values, N_CALLS);
}

/* To the device's own address: what goes to another is not this node's. */
static void address_frame(struct packet *packet, unsigned int ifindex)
{
	_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {0};

	if (!if_indextoname(ifindex, request.ifr_name) || ioctl(fd, SIOCGIFHWADDR, &request))
		die("address of the device");
	memcpy(packet->bytes, request.ifr_hwaddr.sa_data, ETH_ALEN);
}

static void report(const struct shape *shape, bool is_ipv6, const int *programs,
		   unsigned int ifindex, int n_rounds, bool is_xdp)
{
	struct packet packet = make_packet(shape, is_ipv6);
	double net[MAX_ROUNDS];
	int i;

	address_frame(&packet, ifindex);
	packet.is_xdp = is_xdp;
	for (i = 0; i < n_rounds; i++)
		net[i] = cost(programs[0], &packet, ifindex, shape->repeat) -
			 cost(programs[1], &packet, ifindex, shape->repeat);
	printf("%-40s v%d %7.0f ns\n", shape->name, is_ipv6 ? 6 : 4, median(net, n_rounds));
}

int main(int argc, char **argv)
{
	const bool is_xdp = argc == 5 && strcmp(argv[4], "xdp") == 0;
	int n_rounds = argc == 4 || is_xdp ? atoi(argv[1]) : 0;
	_close_ int netns = n_rounds > 0 ? open(argv[2], O_RDONLY | O_CLOEXEC) : -1;
	unsigned int ifindex;
	cpu_set_t one;
	size_t i;

	if (n_rounds < 1 || n_rounds > MAX_ROUNDS) {
		fprintf(stderr, "packet_run: usage: packet_run ROUNDS NETNS PIN-FOLDER [xdp]\n");
		return 2;
	}
	CPU_ZERO(&one);
	CPU_SET(sysconf(_SC_NPROCESSORS_ONLN) - 1, &one);
	sched_setaffinity(0, sizeof(one), &one);
	if (netns < 0 || setns(netns, CLONE_NEWNET))
		die(argv[2]);
	ifindex = if_nametoindex("eth0");
	printf("one run of the %s program, net of an empty one; medians of %d rounds\n",
	       is_xdp ? "XDP" : "ingress", n_rounds);
	for (i = 0; i < N_SHAPES * 2; i++) {
		int programs[] = {open_program(argv[3], is_xdp ? "xdp" : "ingress", ifindex),
				  load_empty(is_xdp)};

		if (programs[1] < 0)
			die("empty program");
		report(&shapes[i / 2], i % 2, programs, ifindex, n_rounds, is_xdp);
		close(programs[0]);
		close(programs[1]);
	}
	return 0;
}
