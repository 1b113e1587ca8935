// An echo server with a count of its own: main ADDRESS PORT COUNT_FILE.
package main

import (
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

var open int64

func serve(connection net.Conn) {
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

func main() {
	listener, err := net.Listen("tcp", net.JoinHostPort(os.Args[1], os.Args[2]))
	if err != nil {
		panic(err)
	}
	go func() {
		for ; ; time.Sleep(250 * time.Millisecond) {
			text := strconv.FormatInt(atomic.LoadInt64(&open), 10)
			if os.WriteFile(os.Args[3]+".new", []byte(text), 0o600) == nil {
				os.Rename(os.Args[3]+".new", os.Args[3])
			}
		}
	}()
	for {
		connection, err := listener.Accept()
		if err == nil {
			go serve(connection)
		}
	}
}
