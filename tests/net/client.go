// SPDX-License-Identifier: Apache-2.0

// client VIP4 VIP6 BACKEND4 BACKEND6: Go's own resolver-less network stack as a client. Go opens
// IPv6 sockets for IPv4 addresses in places where C does not. Prints TAP without a plan.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

var n int

func is(fact, got, expected string) {
	n++
	if got == expected {
		fmt.Printf("ok %d - Go, %s\n", n, fact)
		return
	}
	fmt.Printf("not ok %d - Go, %s\n# got:      %s\n# expected: %s\n", n, fact, got, expected)
}

func fetch(url string) string {
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get(url)
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(body))
}

// Many connections at once from many threads.
func fetchMany(url, expected string) string {
	results := make(chan string)
	for i := 0; i < 200; i++ {
		go func() { results <- fetch(url) }()
	}
	for i := 0; i < 200; i++ {
		if got := <-results; got != expected {
			return got
		}
	}
	return expected
}

// A connected UDP socket: what it received, and whom it says it talks to.
func dialUDP(vip string) string {
	dialer := net.Dialer{Timeout: 10 * time.Second}
	c, err := dialer.DialContext(context.Background(), "udp", vip)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	buffer := make([]byte, 200)
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err = c.Write([]byte("hi")); err != nil {
		return err.Error()
	}
	size, err := c.Read(buffer)
	if err != nil {
		return err.Error()
	}
	return string(buffer[:size]) + " " + c.RemoteAddr().String()
}

// A dual-stack socket (IPv6, not v6only) that sends to an IPv4 VIP.
func sendDual(vip string) string {
	c, err := net.ListenPacket("udp", ":0")
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	to, err := net.ResolveUDPAddr("udp", vip)
	if err != nil {
		return err.Error()
	}
	buffer := make([]byte, 200)
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err = c.WriteTo([]byte("hi"), to); err != nil {
		return err.Error()
	}
	size, from, err := c.ReadFrom(buffer)
	if err != nil {
		return err.Error()
	}
	return string(buffer[:size]) + " " + from.String()
}

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "client: usage: client VIP4 VIP6 BACKEND4 BACKEND6")
		os.Exit(2)
	}
	vip4, vip6, backend4, backend6 := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	is("net/http, IPv4", fetch("http://"+vip4+"/"), backend4)
	is("net/http, IPv6", fetch("http://"+vip6+"/"), backend6)
	is("200 requests at once", fetchMany("http://"+vip4+"/", backend4), backend4)
	is("connected UDP socket, IPv4", dialUDP(vip4), backend4+" hi "+vip4)
	is("connected UDP socket, IPv6", dialUDP(vip6), backend6+" hi "+vip6)
	is("dual-stack UDP socket to an IPv4 VIP", sendDual(vip4), backend4+" hi "+vip4)
	is("dual-stack UDP socket to an IPv6 VIP", sendDual(vip6), backend6+" hi "+vip6)
}
