# SPDX-License-Identifier: Apache-2.0
# svcbpf: `make help` lists the targets.

O ?= build
CC ?= gcc
CLANG ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
PKG_CONFIG ?= pkg-config
CFLAGS ?= -O2 -g
DESTDIR ?=
PREFIX ?= /usr/local
SBINDIR ?= $(PREFIX)/sbin
MANDIR ?= $(PREFIX)/share/man
BASHCOMPDIR ?= $(PREFIX)/share/bash-completion/completions
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSCONFDIR ?= /etc
VMLINUX_BTF ?= /sys/kernel/btf/vmlinux
IMAGE ?= svcbpf:$(subst +,-,$(VERSION))

CONFIG := $(SYSCONFDIR)/svcbpf/config.yaml
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo 0.1.0)
Q := $(if $(filter 1,$(V)),,@)
say = @printf '  %-8s %s\n' $(1) $(2)

LIBS := libbpf libelf zlib libcurl libcjson yaml-0.1 libevent_core libevent_extra smartcols libmnl libcap
# pkg-config names libelf and zlib itself on Debian; criterion is only asked for by the tests
PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(LIBS) 2>/dev/null)
PKG_LIBS := $(shell $(PKG_CONFIG) --libs $(LIBS) 2>/dev/null) -lpthread

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wwrite-strings -Wvla -Wundef -Wformat=2
, := ,
SAN_FLAGS := $(if $(filter 1,$(SAN)),-fsanitize=address$(,)undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
ifeq ($(SAN),1)
O := build-san
endif
ALL_CFLAGS := -std=gnu11 -D_GNU_SOURCE -DSVCBPF_VERSION='"$(VERSION)"' -Iinclude -Iuser -I$(O)/gen \
	$(WARN) $(PKG_CFLAGS) $(SAN_FLAGS) $(CFLAGS)
ALL_LDFLAGS := $(SAN_FLAGS) $(LDFLAGS)

LAYERS := cmd source datapath http model util
sources = $(sort $(wildcard user/$(1)/*.c))
objects = $(patsubst %.c,$(O)/%.o,$(filter-out user/cmd/main.c,$(sources)))
ARCHIVES := $(LAYERS:%=$(O)/lib/%.a)

# The objects keep the names of their sources, for the verifier's log: not those of the builder's folders.
BPF_CFLAGS := -target bpf -mcpu=v3 -O2 -g -ffile-prefix-map=$(CURDIR)=. -std=gnu11 -Wall -Wextra -Werror \
	-Wno-missing-declarations -Wno-unused-parameter -D__TARGET_ARCH_$(shell uname -m | sed 's/x86_64/x86/;s/aarch64/arm64/') \
	-I$(O)/gen -Iinclude -Ibpf $(shell $(PKG_CONFIG) --cflags libbpf 2>/dev/null)
SKELETONS := $(O)/gen/sock.skel.h $(O)/gen/sock_compat.skel.h $(O)/gen/overflow.skel.h \
	$(O)/gen/packet.skel.h $(O)/gen/xdp.skel.h

UNIT_TESTS := $(patsubst tests/unit/%.c,$(O)/tests/unit/%,$(sort $(wildcard tests/unit/*/test_*.c)))
BPF_TESTS := $(patsubst tests/bpf/%.c,$(O)/tests/bpf/%,$(sort $(wildcard tests/bpf/test_*.c)))
BPF_PROBES := $(patsubst tests/bpf/%.bpf.c,$(O)/gen/%.skel.h,$(sort $(wildcard tests/bpf/*.bpf.c)))
NET_TOOLS := $(patsubst tests/net/%.c,$(O)/tests/net/%,$(sort $(wildcard tests/net/*.c))) \
	$(patsubst tests/net/preload/%.c,$(O)/tests/net/%.so,$(sort $(wildcard tests/net/preload/*.c)))
BENCH_TOOLS := $(patsubst tests/bench/%.c,$(O)/tests/bench/%,$(sort $(wildcard tests/bench/*.c)))
FUZZERS := $(patsubst tests/fuzz/%.c,$(O)/tests/fuzz/%,$(sort $(wildcard tests/fuzz/*.c)))

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all check check-unit check-bpf check-net check-kernels lint fmt install uninstall clean demo deps \
	e2e e2e-build e2e-cluster e2e-cluster-build image kind-smoke deb bench-connect bench-load \
	bench-packets bench-sync fuzz fuzz-build help tests FORCE

all: $(O)/svcbpf ## build build/svcbpf

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | sort | awk -F'\t' '{printf "  %-14s %s\n", $$1, $$2}'
	@echo 'Variables: V=1 shows commands, O=DIR builds there, SAN=1 builds with ASan and UBSan (in build-san).'

deps: ## install the Debian packages that building, testing and linting need
	$(Q)scripts/deps.sh

$(O)/svcbpf: $(O)/user/cmd/main.o $(ARCHIVES)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $< -Wl,--start-group $(ARCHIVES) -Wl,--end-group $(PKG_LIBS)

define archive_rule
$(O)/lib/$(1).a: $(patsubst %.c,$(O)/%.o,$(filter-out user/cmd/main.c,$(call sources,$(1))))
	$$(call say,AR,$$@)
	$$(Q)mkdir -p $$(@D) && rm -f $$@ && ar rcs $$@ $$^
endef
$(foreach layer,$(LAYERS),$(eval $(call archive_rule,$(layer))))

$(O)/user/%.o: user/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# What names the version is compiled again when that has changed.
$(O)/user/cmd/version.o $(O)/user/cmd/agent.o: $(O)/gen/version
$(O)/gen/version: FORCE
	$(Q)mkdir -p $(@D) && echo '$(VERSION)' | cmp -s - $@ || echo '$(VERSION)' > $@
FORCE:

# Only object.c and overflow.c see the generated skeletons.
$(O)/user/datapath/object.o $(O)/user/datapath/overflow.o: $(SKELETONS)

$(O)/gen/vmlinux.h:
	$(call say,BTF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(if $(VMLINUX_H),cp $(VMLINUX_H) $@,test -r $(VMLINUX_BTF) || { echo '$(VMLINUX_BTF) is missing: this kernel has \
	no BTF; give VMLINUX_H=FILE, made where there is: bpftool btf dump file /sys/kernel/btf/vmlinux format c >FILE' >&2; \
	exit 1; }; $(BPFTOOL) btf dump file $(VMLINUX_BTF) format c > $@)

$(O)/bpf/%.bpf.o: bpf/%.bpf.c $(O)/gen/vmlinux.h
	$(call say,BPF,$<)
	$(Q)mkdir -p $(@D) && $(CLANG) $(BPF_CFLAGS) -DREVNAT_SLOTS=1 -MMD -MP -c -o $(@:.o=.raw.o) -MF $(@:.o=.d) -MT $@ $<
	$(Q)$(BPFTOOL) gen object $@ $(@:.o=.raw.o)

# The same programs for kernels without BPF atomics with fetch (before 5.12): an instruction that a
# kernel does not know is refused even in dead code, so this is a build of its own.
$(O)/bpf/sock_compat.bpf.o: bpf/sock.bpf.c $(O)/gen/vmlinux.h
	$(call say,BPF,"$< (compat)")
	$(Q)mkdir -p $(@D) && $(CLANG) $(BPF_CFLAGS) -DREVNAT_SLOTS=0 -MMD -MP -c -o $(@:.o=.raw.o) -MF $(@:.o=.d) -MT $@ $<
	$(Q)$(BPFTOOL) gen object $@ $(@:.o=.raw.o)

$(O)/tests/bpf/%.bpf.o: tests/bpf/%.bpf.c $(O)/gen/vmlinux.h
	$(call say,BPF,$<)
	$(Q)mkdir -p $(@D) && $(CLANG) $(BPF_CFLAGS) -DREVNAT_SLOTS=1 -MMD -MP -c -o $(@:.o=.raw.o) -MF $(@:.o=.d) -MT $@ $<
	$(Q)$(BPFTOOL) gen object $@ $(@:.o=.raw.o)

$(O)/gen/%.skel.h: $(O)/bpf/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@

$(O)/gen/%.skel.h: $(O)/tests/bpf/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@

# Tests. Each unit test binary mirrors one folder of user/; archives above it may be needed too.
TEST_CFLAGS = $(ALL_CFLAGS) $(shell $(PKG_CONFIG) --cflags criterion 2>/dev/null) -Itests
TEST_LIBS = $(shell $(PKG_CONFIG) --libs criterion 2>/dev/null) -lm

test_layers = $(if $(filter util,$(1)),util,$(if $(filter http,$(1)),http util,$(if $(filter model,$(1)),model util,$(if $(filter source,$(1)),source http model util,\
	$(if $(filter datapath,$(1)),datapath model util,$(LAYERS))))))

define unit_rule
$(O)/tests/unit/$(1)/%: tests/unit/$(1)/%.c $(patsubst %,$(O)/lib/%.a,$(call test_layers,$(1)))
	$$(call say,TEST,$$@)
	$$(Q)mkdir -p $$(@D) && $$(CC) $$(TEST_CFLAGS) $$(ALL_LDFLAGS) -MMD -MP -MF $$@.d -o $$@ $$< \
		-Wl,--start-group $(patsubst %,$(O)/lib/%.a,$(call test_layers,$(1))) -Wl,--end-group $$(PKG_LIBS) $$(TEST_LIBS)
endef
$(foreach layer,$(LAYERS),$(eval $(call unit_rule,$(layer))))

$(O)/tests/bpf/test_%: tests/bpf/test_%.c $(BPF_PROBES) $(ARCHIVES)
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(TEST_CFLAGS) $(ALL_LDFLAGS) -MMD -MP -MF $@.d -o $@ $< \
		-Wl,--start-group $(ARCHIVES) -Wl,--end-group $(PKG_LIBS) $(TEST_LIBS)

# Clients, servers and measuring tools stand alone, and are never built with sanitizers.
$(O)/tests/net/%: tests/net/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) -std=gnu11 -D_GNU_SOURCE $(WARN) -Iinclude $(CFLAGS) -MMD -MP -MF $@.d -o $@ $< -lm -lpthread

$(O)/tests/net/%.so: tests/net/preload/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) -std=gnu11 -D_GNU_SOURCE $(WARN) $(CFLAGS) -fPIC -shared -MMD -MP -MF $@.d -o $@ $<

$(O)/tests/bench/%: tests/bench/%.c $(ARCHIVES)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -MMD -MP -MF $@.d -o $@ $< \
		-Wl,--start-group $(ARCHIVES) -Wl,--end-group $(PKG_LIBS)

# Only where `make fuzz` has set CC and CFLAGS; seed_* are programs of their own.
$(O)/tests/fuzz/%: tests/fuzz/%.c $(ARCHIVES)
	$(call say,FUZZ,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(if $(filter fuzz_%,$*),-fsanitize=fuzzer) \
		-MMD -MP -MF $@.d -o $@ $< -Wl,--start-group $(ARCHIVES) -Wl,--end-group $(PKG_LIBS)

tests: all $(UNIT_TESTS) $(BPF_TESTS) $(NET_TOOLS)

check: tests ## run all tests (root); the last line is "N passed, N failed, N skipped"
	$(Q)O=$(O) SAN=$(SAN) tests/run.sh unit bpf net

check-unit: $(O)/svcbpf $(UNIT_TESTS) ## run the unit tests only (no root)
	$(Q)O=$(O) SAN=$(SAN) tests/run.sh unit

check-bpf: $(BPF_TESTS) ## run the tests of the BPF helpers only
	$(Q)O=$(O) SAN=$(SAN) tests/run.sh bpf

check-net: all $(NET_TOOLS) ## run the tests with real sockets only
	$(Q)O=$(O) SAN=$(SAN) tests/run.sh net

check-kernels: tests ## run the tests under other kernels in qemu; KERNELS="bullseye bookworm trixie sid"
	$(Q)O=$(O) scripts/check-kernels.sh $(KERNELS)

e2e: all $(NET_TOOLS) e2e-build ## run the tests against a real Kubernetes API server (root)
	$(Q)O=$(O) TIMEOUT_S=$(or $(TIMEOUT_S),600) tests/run.sh e2e

e2e-build: ## build etcd, the API server, kubectl and helm for them: minutes the first time, kept in ~/.cache
	$(Q)tests/e2e/build.sh control-plane kubectl helm > /dev/null

e2e-cluster: all $(NET_TOOLS) e2e-cluster-build ## run Kubernetes' own tests, and ours, in a two-node cluster (root); SHORT=1: only the short ones of Kubernetes
	$(Q)O=$(O) CLUSTER_SHORT=$(or $(SHORT),0) TIMEOUT_S=$(or $(TIMEOUT_S),2400) tests/run.sh \
		$(if $(filter 1,$(SHORT)),tests/e2e/cluster/70_upstream.sh,cluster)

e2e-cluster-build: ## build Kubernetes and its tests for that: 20 minutes the first time, kept in ~/.cache
	$(Q)tests/e2e/build.sh cluster > /dev/null && tests/e2e/cluster/images.sh > /dev/null

# clang does not know the warnings of gcc that pragmas in the sources name.
fuzz: ## fuzz the parsers with clang's libFuzzer, ASan and UBSan; FUZZ_TIME=30 seconds each, FUZZ="text config"
	$(Q)$(MAKE) --no-print-directory O=$(O)/fuzz SAN=1 CC=$(CLANG) \
		CFLAGS='-O1 -g -fsanitize=fuzzer-no-link -Wno-unknown-warning-option' fuzz-build
	$(Q)O=$(O)/fuzz tests/fuzz/run.sh $(or $(FUZZ_TIME),30) $(FUZZ)

fuzz-build: $(FUZZERS)

lint: $(O)/gen/vmlinux.h $(SKELETONS) $(BPF_PROBES) ## static checks; CHECKS="format clang_tidy" runs only these
	$(Q)O=$(O) ALL_CFLAGS="$(subst ",\",$(ALL_CFLAGS))" BPF_CFLAGS="$(BPF_CFLAGS)" scripts/lint.sh $(CHECKS)

fmt: ## format all C sources in place
	$(Q)clang-format -i $$(git ls-files -co --exclude-standard '*.c' '*.h')

demo: all ## show the main job in private namespaces, in under a minute
	$(Q)O=$(O) scripts/demo.sh --no-install

bench-connect: all $(BENCH_TOOLS) ## cost of the socket programs, and of connect+close
	$(Q)$(O)/tests/bench/connect $(ROUNDS)

bench-packets: all $(BENCH_TOOLS) ## cost of the packet path over plain routing, against nftables; ROUNDS=21 SERVICES=100
	$(Q)O=$(O) tests/bench/packets.sh $(or $(ROUNDS),21) $(or $(SERVICES),100)

bench-load: all ## load time, memory and time of one change, 10,000 Services x 25 endpoints
	$(Q)python3 tests/bench/load.py $(O)/svcbpf

bench-sync: all $(NET_TOOLS) e2e-build ## the same with a real API server; SERVICES=10000 ENDPOINTS=25 CHANGES=50
	$(Q)O=$(O) tests/bench/sync.sh $(or $(SERVICES),10000) $(or $(ENDPOINTS),25) $(or $(CHANGES),50)

# The service is neither enabled nor started, and a configuration that is there stays.
install: all ## install binary, man page, completion and systemd unit under PREFIX, the configuration in /etc
	install -D -m 0755 $(O)/svcbpf $(DESTDIR)$(SBINDIR)/svcbpf
	install -D -m 0644 user/man/svcbpf.8 $(DESTDIR)$(MANDIR)/man8/svcbpf.8
	install -D -m 0644 user/man/svcbpf.bash $(DESTDIR)$(BASHCOMPDIR)/svcbpf
	install -d -m 0755 $(DESTDIR)$(UNITDIR)
	sed 's|@SBINDIR@|$(SBINDIR)|; s|@SYSCONFDIR@|$(SYSCONFDIR)|' scripts/deploy/systemd/svcbpf.service.in \
		> $(DESTDIR)$(UNITDIR)/svcbpf.service
	chmod 0644 $(DESTDIR)$(UNITDIR)/svcbpf.service
	test -e $(DESTDIR)$(CONFIG) || { install -d -m 0755 $(dir $(DESTDIR)$(CONFIG)) && \
		sed 's|/etc/svcbpf|$(SYSCONFDIR)/svcbpf|' scripts/deploy/systemd/config.yaml \
		> $(DESTDIR)$(CONFIG) && chmod 0644 $(DESTDIR)$(CONFIG); }

image: all ## make the container image without Docker: build/svcbpf-image.tar; IMAGE=svcbpf:1.0
	$(Q)rm -rf $(O)/image && scripts/image/rootfs.sh $(O)/svcbpf $(O)/image
	$(Q)scripts/image/archive.sh $(O)/image $(O)/svcbpf-image.tar $(IMAGE)

kind-smoke: image ## install the image in a kind cluster without kube-proxy, check it, remove it (Docker, kind, kubectl)
	$(Q)scripts/kind-smoke.sh --image-archive $(O)/svcbpf-image.tar

uninstall: ## remove what install put there, but a configuration that was changed
	rm -f $(DESTDIR)$(SBINDIR)/svcbpf $(DESTDIR)$(MANDIR)/man8/svcbpf.8 $(DESTDIR)$(BASHCOMPDIR)/svcbpf \
		$(DESTDIR)$(UNITDIR)/svcbpf.service
	! sed 's|/etc/svcbpf|$(SYSCONFDIR)/svcbpf|' scripts/deploy/systemd/config.yaml | \
		cmp -s - $(DESTDIR)$(CONFIG) || rm -f $(DESTDIR)$(CONFIG)
	rmdir $(dir $(DESTDIR)$(CONFIG)) 2>/dev/null || :

deb: ## build the Debian package: build/svcbpf_VERSION_ARCH.deb
	$(Q)O=$(O) scripts/deb/build.sh $(VERSION)

clean: ## remove the build folders
	rm -rf build build-san

-include $(shell find $(O) -name '*.d' 2>/dev/null)
