// SPDX-License-Identifier: Apache-2.0

// CoreDNS with the plugins that the cluster of these tests needs, and no others: the whole of it
// takes four times as long to build.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"

	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/ready"
)

func init() {
	dnsserver.Directives = []string{"health", "ready", "errors", "kubernetes"}
}

func main() {
	coremain.Run()
}
