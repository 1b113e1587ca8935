// An echo server with a goroutine for each connection. Usage: server COUNT_SOCKET; it reports its open connections at that socket.
package main

import (
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
)

var open int64

func echo(connection net.Conn) {
	atomic.AddInt64(&open, 1)
	defer atomic.AddInt64(&open, -1)
	defer connection.Close()
	buffer := make([]byte, 4096)
	for {
		count, err := connection.Read(buffer)
		if err != nil {
			return
		}
		if _, err := connection.Write(buffer[:count]); err != nil {
			return
		}
	}
}

func serve(listener net.Listener, handle func(net.Conn)) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			panic(err)
		}
		go handle(connection)
	}
}

func listen(network, address string) net.Listener {
	listener, err := net.Listen(network, address)
	if err != nil {
		panic(err)
	}
	return listener
}

func main() {
	for _, port := range strings.Split(os.Getenv("C10M_PORTS"), ",") {
		go serve(listen("tcp", net.JoinHostPort(os.Getenv("C10M_ADDRESS"), port)), echo)
	}
	serve(listen("unix", os.Args[1]), func(connection net.Conn) {
		fmt.Fprint(connection, atomic.LoadInt64(&open))
		connection.Close()
	})
}
