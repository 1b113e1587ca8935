// Echo server on many ports, TCP and WebSocket: what a plain Go server costs (one goroutine and one 4 KiB buffer a connection).
//
// C10M starts it with C10M_ADDRESS, C10M_PROTOCOL, C10M_PORTS (comma-separated), C10M_TCP_PORTS, C10M_WEBSOCKET_PORTS and
// C10M_WEBSOCKET_PATH in its environment. It needs nothing but Go's standard library.
package main

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
)

// The largest message that is echoed; a longer one ends its connection with close code 1009 (RFC 6455, section 7.4.1).
const maximumMessageBytes = 65536

func portsOf(variable, protocol string) []string {
	text, found := os.LookupEnv(variable)
	if !found && os.Getenv("C10M_PROTOCOL") == protocol {
		text = os.Getenv("C10M_PORTS")
	}
	var ports []string
	for _, port := range strings.Split(text, ",") {
		if strings.TrimSpace(port) != "" {
			ports = append(ports, strings.TrimSpace(port))
		}
	}
	return ports
}

func echo(connection net.Conn) {
	defer connection.Close()
	buffer := make([]byte, 4096)
	for {
		count, err := connection.Read(buffer)
		if count > 0 {
			if _, err := connection.Write(buffer[:count]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func closeFrame(code uint16) []byte {
	return []byte{0x88, 2, byte(code >> 8), byte(code)}
}

// Echoes the frames of one WebSocket (RFC 6455, section 5): fragments are echoed as fragments.
func echoFrames(connection net.Conn, reader *bufio.Reader) {
	defer connection.Close()
	header := make([]byte, 14)
	for {
		if _, err := io.ReadFull(reader, header[:2]); err != nil {
			return
		}
		opcode, masked, length := header[0]&0x0f, header[1]&0x80 != 0, uint64(header[1]&0x7f)
		if !masked {
			connection.Write(closeFrame(1002))
			return
		}
		switch length {
		case 126:
			if _, err := io.ReadFull(reader, header[2:4]); err != nil {
				return
			}
			length = uint64(binary.BigEndian.Uint16(header[2:4]))
		case 127:
			if _, err := io.ReadFull(reader, header[2:10]); err != nil {
				return
			}
			length = binary.BigEndian.Uint64(header[2:10])
		}
		if length > maximumMessageBytes {
			connection.Write(closeFrame(1009))
			return
		}
		mask := make([]byte, 4)
		if _, err := io.ReadFull(reader, mask); err != nil {
			return
		}
		payload := make([]byte, length)
		if _, err := io.ReadFull(reader, payload); err != nil {
			return
		}
		for index := range payload {
			payload[index] ^= mask[index&3]
		}
		first := header[0]
		if opcode == 9 {
			first = 0x8a // a pong for a ping
		}
		if opcode == 10 {
			continue
		}
		frame := []byte{first}
		switch {
		case length < 126:
			frame = append(frame, byte(length))
		default:
			frame = append(frame, 126, byte(length>>8), byte(length))
			if length == 65536 {
				frame = append([]byte{first, 127}, binary.BigEndian.AppendUint64(nil, length)...)
			}
		}
		if _, err := connection.Write(append(frame, payload...)); err != nil || opcode == 8 {
			return
		}
	}
}

func upgrade(writer http.ResponseWriter, request *http.Request) {
	key := request.Header.Get("Sec-WebSocket-Key")
	if !strings.EqualFold(request.Header.Get("Upgrade"), "websocket") || key == "" {
		http.Error(writer, "a WebSocket handshake is expected", http.StatusUpgradeRequired)
		return
	}
	connection, buffered, err := writer.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(connection, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(sum[:]))
	echoFrames(connection, buffered.Reader)
}

func listen(address, port string) net.Listener {
	listener, err := net.Listen("tcp4", net.JoinHostPort(address, port))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return listener
}

func main() {
	address := os.Getenv("C10M_ADDRESS")
	if address == "" {
		address = "127.0.0.1"
	}
	tcpPorts, websocketPorts := portsOf("C10M_TCP_PORTS", "tcp"), portsOf("C10M_WEBSOCKET_PORTS", "websocket")
	if len(tcpPorts)+len(websocketPorts) == 0 {
		fmt.Fprintln(os.Stderr, "no ports: C10M sets C10M_PORTS and C10M_PROTOCOL")
		os.Exit(1)
	}
	for _, port := range tcpPorts {
		listener := listen(address, port)
		go func() {
			for {
				if connection, err := listener.Accept(); err == nil {
					go echo(connection)
				}
			}
		}()
	}
	path := os.Getenv("C10M_WEBSOCKET_PATH")
	if path == "" {
		path = "/ws"
	}
	http.HandleFunc(path, upgrade)
	for _, port := range websocketPorts {
		listener := listen(address, port)
		go http.Serve(listener, nil)
	}
	fmt.Printf("listening on %d TCP and %d WebSocket ports of %s\n", len(tcpPorts), len(websocketPorts), address)
	select {}
}
