/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packet programs over packets that went wrong on their way: requests, replies and errors with
 * bits flipped, ends cut, headers put in. Whatever comes in, what comes out keeps these promises:
 *
 *	the verdict is one of three
 *	what is left alone, or is neither to nor from us, is the same in every byte
 *	a translation changes addresses, ports, the TTL and checksums, and no other byte
 *	no checksum, right or wrong, becomes more or less right
 *	an answer goes to who has sent the packet, and is right
 *	the answer to a translation, translated back, is the answer to the packet
 *
 * SEED and N in the environment: another run, or a longer one. A failure tells its seed and packet.
 */
#include "packet_talk.h"

#define ROUNDS	  40000u
#define N_LASTING 64u
#define GROW_MAX  64u

static struct world world;
static struct frame in, out;

/* A translation that has taken place: @in became @out. */
struct lasting {
	struct frame in;
	struct frame out;
	struct world_run reply;
};

static struct lasting lasting[N_LASTING];

/** struct fuzz - @seed: of the run.  @state: of the random numbers.  @round: of how many. */
struct fuzz {
	uint64_t seed;
	uint64_t state;
	unsigned long round;
	const char *kind;
	struct world_run run;
	int verdict;
};

static struct fuzz fuzz;

static void open_world(void)
{
	world_open(&world, "default", &(struct svc_packet_config){0});
}

static void close_world(void)
{
	world_close(&world);
}

TestSuite(packet_fuzz, .init = open_world, .fini = close_world, .timeout = 250);

static void print_frame(const char *what, const struct frame *frame)
{
	size_t i;

	fprintf(stderr, "%s, %zu bytes:", what, frame->n);
	for (i = 0; i < frame->n && i < 256; i++)
		fprintf(stderr, "%s%02x", i % 16 ? " " : "\n  ", frame->data[i]);
	fprintf(stderr, "\n");
}

/* Fail, and tell how to see it again. */
static void expect(bool is_right, const char *what, const char *why)
{
	if (is_right)
		return;
	fprintf(stderr, "SEED=%llu round %lu: %s: %s %s at %s of device %u, verdict %d\n",
		(unsigned long long)fuzz.seed, fuzz.round, fuzz.kind, what, why ? why : "",
		fuzz.run.hook == INGRESS ? "ingress" : "egress", fuzz.run.ifindex, fuzz.verdict);
	print_frame("in", &in);
	print_frame("out", &out);
	cr_assert_fail("%s: %s (SEED=%llu, round %lu)", fuzz.kind, what,
		       (unsigned long long)fuzz.seed, fuzz.round);
}

static uint32_t roll(uint32_t n)
{
	return draw(&fuzz.state, n);
}

/* ------------------------------------------------------------------ packets */

static uint8_t *ip_of(struct frame *frame)
{
	return frame->data + FRAME_L3;
}

static void build_request(struct frame *frame)
{
	static const enum world_service services[] = {LOCAL, REMOTE,   REMOTE, NONE,
						      SMALL, AFFINITY, MAGLEV, POLICY_DROP};
	static const uint8_t flags[] = {FLAG_SYN, FLAG_SYN, FLAG_SYN, FLAG_ACK, FLAG_FIN | FLAG_ACK,
					FLAG_RST};
	const char *const *const clients[] = {client_at, stranger_at, pod_at, local_at};
	struct talk talk = {
		.service = services[roll(ARRAY_SIZE(services))],
		.type = (uint8_t)(1 + roll(4)),
		.protocol = world_protocols[roll(N_PROTOCOLS)],
		.is_ipv6 = (int)roll(2),
		.client = clients[roll(ARRAY_SIZE(clients))],
		.sport = (uint16_t)(roll(2) ? 20001 + roll(16) : 40001 + roll(16)),
	};
	struct packet_spec spec;

	fuzz.kind = "request";
	fuzz.run = (struct world_run){.hook = INGRESS, .ifindex = world.up};
	if (talk.client == pod_at || talk.client == local_at)
		fuzz.run.ifindex = world.pod;
	if (roll(6) == 0) {
		fuzz.run = (struct world_run){.hook = EGRESS, .ifindex = world.up};
		talk.client = node_at;
	}
	spec = talk_request(&talk);
	spec.flags = flags[roll(ARRAY_SIZE(flags))];
	spec.n_payload = roll(4) ? roll(100) : roll(1460);
	spec.no_check = talk.protocol == IPPROTO_UDP && roll(4) == 0;
	spec.n_options = roll(4) ? 0 : (uint8_t)(4 * roll(11));
	spec.n_tcp_options = roll(2) ? 0 : (uint8_t)(4 * roll(11));
	if (talk.is_ipv6 && roll(3) == 0) {
		spec.exts[0] = roll(2) ? EXT_HOP : EXT_FRAG;
		spec.exts[1] = EXT_DEST;
		spec.n_exts = (uint8_t)(1 + roll(2));
	}
	packet_build(&spec, frame);
}

/* The answer to @frame would carry these ends. */
static void swap_ends(struct frame *frame)
{
	const bool is_ipv6 = frame_is_ipv6(ip_of(frame));
	const size_t n = is_ipv6 ? 16 : 4;
	uint8_t *src = ip_of(frame) + (is_ipv6 ? 8 : 12), *ports, other[16];
	struct walked at;

	packet_walk(ip_of(frame), frame->n - FRAME_L3, &at);
	ports = ip_of(frame) + at.l4;
	memcpy(other, src, n);
	memcpy(src, src + n, n);
	memcpy(src + n, other, n);
	memcpy(other, ports, 2);
	memcpy(ports, ports + 2, 2);
	memcpy(ports + 2, other, 2);
}

static bool build_reply(struct frame *frame)
{
	const struct lasting *pair = &lasting[roll(N_LASTING)];

	if (!pair->out.n)
		return false;
	fuzz.kind = "reply";
	fuzz.run = pair->reply;
	*frame = pair->out;
	swap_ends(frame);
	return true;
}

/* About what has been sent on, to this node; or about the reply, by the client's side. */
static bool build_error(struct frame *frame)
{
	static char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];
	static struct frame about;
	const struct lasting *pair = &lasting[roll(N_LASTING)];
	const bool is_about_reply = roll(2);
	struct packet_spec spec = {.icmp_code = (uint8_t)roll(6), .icmp_info = roll(2000)};
	const uint8_t *ip;
	size_t n;

	if (!pair->out.n)
		return false;
	about = is_about_reply ? pair->in : pair->out;
	if (is_about_reply)
		swap_ends(&about);
	ip = ip_of(&about);
	n = about.n - FRAME_L3;
	fuzz.kind = "error";
	fuzz.run = is_about_reply ? (struct world_run){.hook = INGRESS, .ifindex = world.up}
				  : pair->reply;
	inet_ntop(frame_is_ipv6(ip) ? AF_INET6 : AF_INET, ip + (frame_is_ipv6(ip) ? 8 : 12), dst,
		  sizeof(dst));
	snprintf(src, sizeof(src), "%s", router_at[frame_is_ipv6(ip)]);
	spec.src = src;
	spec.dst = dst;
	spec.protocol = frame_is_ipv6(ip) ? PROTO_ICMP6 : IPPROTO_ICMP;
	spec.icmp_type = (uint8_t)(frame_is_ipv6(ip) ? 1 + roll(4) : (roll(2) ? 3 : 11));
	spec.quoted = ip;
	spec.n_quoted = n > 200 || roll(3) == 0 ? 20 + roll(n > 200 ? 180 : (uint32_t)n - 19) : n;
	packet_build(&spec, frame);
	return true;
}

/* ------------------------------------------------------------------ mutations */

static void put_in(struct frame *frame, size_t at, size_t n)
{
	if (frame->n + n + GROW_MAX > 3000 || at > frame->n)
		return;
	memmove(frame->data + at + n, frame->data + at, frame->n - at);
	frame->n += n;
	while (n--)
		frame->data[at + n] = (uint8_t)(roll(2) ? roll(256) : 0);
}

/* Four bytes of options, or eight of an extension header, and all lengths right. */
static void put_in_header(struct frame *frame)
{
	uint8_t *ip = ip_of(frame);
	uint8_t next = ip[6];

	if (frame_is_ipv6(ip)) {
		put_in(frame, FRAME_L3 + 40, 8);
		ip[40] = next;
		ip[41] = (uint8_t)(roll(8) ? 0 : roll(256));
		ip[6] = (uint8_t)(roll(2) ? EXT_DEST : roll(2) ? EXT_FRAG : EXT_ROUTE);
		ip[43] &= (uint8_t)roll(2);
		put16(ip + 4, get16(ip + 4) + 8);
	} else if ((ip[0] & 15) < 15) {
		put_in(frame, FRAME_L3 + 20, 4);
		ip[0]++;
		set_lengths(ip, get16(ip + 2) + 4);
	}
}

static void make_fragment(struct frame *frame)
{
	uint8_t *ip = ip_of(frame);

	if (frame_is_ipv6(ip))
		return;
	put16(ip + 6, roll(2) ? 0x2000 : roll(0x4000));
	put16(ip + 4, roll(4));
	set_lengths(ip, get16(ip + 2));
}

static void change_length(struct frame *frame)
{
	uint8_t *at = ip_of(frame) + (frame_is_ipv6(ip_of(frame)) ? 4 : 2);

	put16(at, (get16(at) + roll(65) - 32) & 0xffff);
}

static void mutate(struct frame *frame)
{
	const size_t n_head = frame->n < 120 ? frame->n : 120;
	size_t at = FRAME_L3 + roll((uint32_t)(n_head - FRAME_L3)), shortest;

	if (roll(16) == 0)
		at = roll(FRAME_L3);
	switch (roll(9)) {
	case 0:
	case 1:
		frame->data[at] ^= (uint8_t)(1u << roll(8));
		break;
	case 2:
		frame->data[at] = (uint8_t)(roll(2) ? 0xff : 0);
		break;
	case 3:
		frame->data[at] = (uint8_t)roll(256);
		break;
	case 4: /* a test run wants a whole IP header: 6.18 */
		shortest = FRAME_L3 + 40;
		if (frame->n > shortest)
			frame->n = shortest + roll((uint32_t)(frame->n - shortest));
		break;
	case 5:
		put_in(frame, roll(2) ? frame->n : at, 1 + roll(GROW_MAX));
		break;
	case 6:
		put_in_header(frame);
		break;
	case 7:
		make_fragment(frame);
		break;
	default:
		change_length(frame);
	}
}

/* ------------------------------------------------------------------ promises */

/** struct layout - where a packet that was translated has what may change. */
struct layout {
	struct walked outer;
	struct walked inner;
	size_t quote; /* from the IP header on; 0: no ICMP */
};

static struct layout layout_of(struct frame *frame)
{
	const uint8_t *ip = ip_of(frame);
	struct layout layout = {0};

	packet_walk(ip, frame->n - FRAME_L3, &layout.outer);
	if (layout.outer.protocol != IPPROTO_ICMP && layout.outer.protocol != PROTO_ICMP6)
		return layout;
	layout.quote = layout.outer.l4 + 8;
	packet_walk(ip + layout.quote, frame->n - FRAME_L3 - layout.quote, &layout.inner);
	return layout;
}

static void allow(bool *is_allowed, size_t at, size_t n)
{
	for (; n--; at++)
		if (at < FRAME_MAX)
			is_allowed[at] = true;
}

/* What may change of the headers at @at, by @walked. @is_inner: of a quote, whose TTL stays. */
static void allow_headers(bool *is_allowed, const uint8_t *ip, size_t at,
			  const struct walked *walked, bool is_inner)
{
	const bool is_ipv6 = frame_is_ipv6(ip);
	const size_t l4 = at + walked->l4, check = check_offset(walked->protocol);

	allow(is_allowed, at + (is_ipv6 ? 8 : 12), is_ipv6 ? 32 : 8);
	if (!is_ipv6)
		allow(is_allowed, at + 10, 2);
	if (!is_inner)
		allow(is_allowed, at + (is_ipv6 ? 7 : 8), 1);
	if (walked->is_later)
		return;
	if (walked->protocol == IPPROTO_TCP || walked->protocol == IPPROTO_UDP)
		allow(is_allowed, l4, 4);
	if (check)
		allow(is_allowed, l4 + check, 2);
}

static void expect_allowed_bytes(const struct layout *layout)
{
	static bool is_allowed[FRAME_MAX];
	size_t i;

	memset(is_allowed, 0, sizeof(is_allowed));
	allow_headers(is_allowed, ip_of(&in), FRAME_L3, &layout->outer, false);
	if (layout->quote)
		allow_headers(is_allowed, ip_of(&in) + layout->quote, FRAME_L3 + layout->quote,
			      &layout->inner, true);
	for (i = 0; i < in.n; i++)
		expect(in.data[i] == out.data[i] || is_allowed[i], "a byte changed", NULL);
}

/* What the transport's or the message's checksum is wrong by; -1: it has none. */
static int wrong_by(struct frame *frame, const struct layout *layout)
{
	const uint8_t *ip = ip_of(frame);
	const struct walked *at = &layout->outer;
	const size_t offset = check_offset(at->protocol), n = at->n - at->l4;
	uint64_t sum;

	if (!offset || at->is_later || at->n > frame->n - FRAME_L3)
		return -1;
	if (at->protocol == IPPROTO_UDP && !get16(ip + at->l4 + offset))
		return -1;
	sum = at->protocol == IPPROTO_ICMP ? 0 : sum16_pseudo(ip, at->protocol, n);
	return sum16_fold(sum16(sum, ip + at->l4, n)) % 0xffff;
}

static int header_wrong_by(struct frame *frame)
{
	const uint8_t *ip = ip_of(frame);

	return frame_is_ipv6(ip) ? 0 : sum16_fold(sum16(0, ip, (ip[0] & 15u) * 4)) % 0xffff;
}

/* Addresses as the agent's frontends, or backends, have them. */
static bool is_known(const uint8_t *ip, bool is_dst)
{
	static const char *const prefixes[2][5] = {
		{"10.96.0.", "203.0.113.", "192.0.2.10", "10.244.", "198.51.100.7"},
		{"fd00:96::", "2001:db8:113::", "2001:db8:2::10", "fd00:244:", "2001:db8:99::7"}};
	const bool is_ipv6 = frame_is_ipv6(ip);
	const size_t n = is_ipv6 ? 16 : 4;
	char text[INET6_ADDRSTRLEN];
	size_t i;

	inet_ntop(is_ipv6 ? AF_INET6 : AF_INET, ip + (is_ipv6 ? 8 : 12) + (is_dst ? n : 0), text,
		  sizeof(text));
	for (i = 0; i < 4; i++)
		if (!strncmp(text, prefixes[is_ipv6][i],
			     strlen(prefixes[0][i]) * !is_ipv6 + strlen(prefixes[1][i]) * is_ipv6))
			return true;
	return false;
}

static void expect_translation(void)
{
	const struct layout layout = layout_of(&in);
	const uint8_t *whose = ip_of(&in) + layout.quote;
	const bool was_right = !packet_verify(ip_of(&in), in.n - FRAME_L3);
	const char *wrong = was_right ? packet_verify(ip_of(&out), out.n - FRAME_L3) : NULL;

	expect(out.n == in.n, "the length changed", NULL);
	expect_allowed_bytes(&layout);
	expect(!wrong, "it was right, and is wrong:", wrong);
	expect(header_wrong_by(&in) == header_wrong_by(&out), "the IP checksum", NULL);
	expect(wrong_by(&in, &layout) == wrong_by(&out, &layout), "the checksum", NULL);
	expect(is_known(whose, true) || is_known(whose, false), "it is not ours", NULL);
}

static void expect_answer(void)
{
	const bool is_ipv6 = frame_is_ipv6(ip_of(&in));
	const char *wrong = packet_verify(ip_of(&out), out.n - FRAME_L3);

	expect(!wrong, "the answer is wrong:", wrong);
	expect(!memcmp(ip_of(&out) + (is_ipv6 ? 24 : 16), ip_of(&in) + (is_ipv6 ? 8 : 12),
		       is_ipv6 ? 16 : 4),
	       "the answer goes elsewhere", NULL);
	expect(out.n <= FRAME_L3 + (is_ipv6 ? 1280u : 576u), "the answer is too long", NULL);
	expect(is_known(ip_of(&in), true) || is_known(ip_of(&in), false), "it is not ours", NULL);
}

static bool is_answer(void)
{
	return fuzz.verdict == VERDICT_REDIRECT && !memcmp(out.data, in.data + 6, 6) &&
	       !memcmp(out.data + 6, in.data, 6);
}

/* Return: whether it was translated. */
static bool expect_promises(void)
{
	const bool is_same = in.n == out.n && !memcmp(in.data, out.data, in.n);

	expect(fuzz.verdict == VERDICT_NEXT || fuzz.verdict == VERDICT_DROP ||
		       fuzz.verdict == VERDICT_REDIRECT,
	       "the verdict", NULL);
	if (fuzz.verdict == VERDICT_DROP || (is_same && fuzz.verdict == VERDICT_NEXT))
		return false;
	expect(!is_same, "it was sent on as it came", NULL);
	if (is_answer()) {
		expect_answer();
		return false;
	}
	expect_translation();
	return true;
}

/* ------------------------------------------------------------------ back and forth */

/* Where the answer to what became @out is seen. */
static struct world_run reply_run(void)
{
	static const char *const locals[2] = PER_FAMILY("10.244.1.", "fd00:244:1:");
	const bool is_ipv6 = frame_is_ipv6(ip_of(&out));
	const char *dst = talk_dst(&out);

	if (fuzz.verdict == VERDICT_NEXT)
		return (struct world_run){.hook = EGRESS, .ifindex = fuzz.run.ifindex};
	return (struct world_run){
		.hook = INGRESS,
		.ifindex = strncmp(dst, locals[is_ipv6], strlen(locals[is_ipv6])) ? world.up
										  : world.pod,
	};
}

static bool is_syn(struct frame *frame, const struct layout *layout)
{
	return layout->outer.protocol == IPPROTO_TCP &&
	       ip_of(frame)[layout->outer.l4 + 13] & FLAG_SYN;
}

/* The TTL, and what that means for IPv4's header checksum, may differ. */
static void forget_ttl(struct frame *frame)
{
	uint8_t *ip = ip_of(frame);

	ip[frame_is_ipv6(ip) ? 7 : 8] = 0;
	if (!frame_is_ipv6(ip))
		put16(ip + 10, 0);
}

/* A SYN that comes back may be another connection's, where the flow has seen a FIN. */
static void expect_way_back(void)
{
	const struct layout layout = layout_of(&out);
	struct frame first = in, second = out, back;
	const struct world_run run = reply_run();
	int verdict;

	if (layout.quote || layout.outer.is_later || is_syn(&out, &layout))
		return;
	swap_ends(&second);
	memcpy(second.data, "\x02\x00\x00\x00\x00\x02", 6); /* to this node */
	ip_of(&second)[frame_is_ipv6(ip_of(&second)) ? 7 : 8] = 64;
	verdict = world_run(&world, &run, &second, &back);
	if (verdict == VERDICT_REDIRECT || verdict == VERDICT_NEXT)
		swap_ends(&back);
	forget_ttl(&first);
	forget_ttl(&back);
	expect(verdict != VERDICT_DROP && first.n == back.n &&
		       !memcmp(first.data + FRAME_L3, back.data + FRAME_L3, first.n - FRAME_L3),
	       "back and forth is not the same", NULL);
}

static void remember(void)
{
	struct lasting *pair = &lasting[roll(N_LASTING)];
	const struct layout layout = layout_of(&out);

	if (layout.quote || packet_verify(ip_of(&in), in.n - FRAME_L3))
		return;
	pair->in = in;
	pair->out = out;
	pair->reply = reply_run();
}

static void play(void)
{
	const uint32_t kind = roll(4);
	unsigned int n_mutations = roll(4);
	bool is_request =
		kind < 2 || (kind == 2 && !build_reply(&in)) || (kind == 3 && !build_error(&in));

	if (is_request)
		build_request(&in);
	while (n_mutations--)
		mutate(&in);
	fuzz.verdict = world_run(&world, &fuzz.run, &in, &out);
	if (!expect_promises() || !is_request)
		return;
	expect_way_back();
	remember();
}

static unsigned long number_of(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoul(text, NULL, 0) : otherwise;
}

static void expect_counters(void)
{
	uint64_t counters[SVC_N_COUNTERS];

	world_read_counters(&world, counters);
	cr_expect_eq(counters[SVC_COUNTER_BAD_SLOT], 0);
	cr_expect_eq(counters[SVC_COUNTER_DROP_REWRITE], 0);
	/* else it has tried nothing */
	cr_expect_gt(counters[SVC_COUNTER_FLOW_NEW], 20);
	cr_expect_gt(counters[SVC_COUNTER_ICMP_ERROR], 20);
	cr_expect_gt(counters[SVC_COUNTER_REJECT], 20);
	cr_expect_gt(counters[SVC_COUNTER_SKIP_MALFORMED], 20);
}

Test(packet_fuzz, promises_are_kept)
{
	const unsigned long n = number_of("N", ROUNDS);

	fuzz.seed = number_of("SEED", 20261122);
	fuzz.state = fuzz.seed ? fuzz.seed * 0x9e3779b97f4a7c15ull : 1;
	for (fuzz.round = 0; fuzz.round < n; fuzz.round++)
		play();
	if (n >= ROUNDS)
		expect_counters();
}

int main(int argc, char **argv)
{
	return world_main(argc, argv);
}
