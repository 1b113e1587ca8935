/*
 * The floor of the client without sockets: the servers of floor.c, and one client in plain C that speaks raw packets through a TUN device.
 *
 *   statelessFloor PAIRS CONNECTIONS FIRST_PORT
 *
 * Steps, input and output are those of floor.c. The servers listen on 198.18.0.1, which must be an address of `lo`; the client has the source
 * addresses 198.19.128.2 and following and keeps one bit a connection. Packets that get lost are asked for again when nothing moves.
 *
 *   cc -O2 -o statelessFloor statelessFloor.c
 */
#define main floor_main
#include "floor.c"
#undef main
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>

enum { WINDOW = 2048, PORTS_PER_SOURCE = 64000, FIRST_SOURCE_PORT = 1024, HEADERS = 40, STALLED_MS = 200 };
enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

static int tun;
static uint32_t server_ip = 0xC6120001u, first_source = 0xC6138002u;

static void set(int control, unsigned long request, struct ifreq *interface, const char *what) {
  if (ioctl(control, request, interface) < 0) die(what);
}

static void open_device(void) {
  struct ifreq interface = {0};
  struct sockaddr_in *address = (struct sockaddr_in *)&interface.ifr_addr;
  int control = socket(AF_INET, SOCK_DGRAM, 0);
  tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
  if (tun < 0) die("/dev/net/tun");
  strcpy(interface.ifr_name, "c10mfloor");
  interface.ifr_flags = IFF_TUN | IFF_NO_PI;
  set(tun, TUNSETIFF, &interface, "TUNSETIFF");
  interface.ifr_qlen = 10000;
  set(control, SIOCSIFTXQLEN, &interface, "queue length");
  address->sin_family = AF_INET;
  address->sin_addr.s_addr = htonl(first_source - 1);
  set(control, SIOCSIFADDR, &interface, "address");
  address->sin_addr.s_addr = htonl(0xFFFFF000u);
  set(control, SIOCSIFNETMASK, &interface, "netmask");
  interface.ifr_flags = IFF_UP;
  set(control, SIOCSIFFLAGS, &interface, "up");
}

static uint32_t add(const uint8_t *bytes, int length) {
  uint32_t sum = 0;
  for (int i = 0; i < length; i += 2) sum += bytes[i] << 8 | bytes[i + 1];
  return sum;
}

static void put(uint8_t *at, uint32_t value, int bytes) {
  while (bytes--) at[bytes] = value, value >>= 8;
}

static uint32_t get(const uint8_t *at, int bytes) {
  uint32_t value = 0;
  for (int i = 0; i < bytes; i++) value = value << 8 | at[i];
  return value;
}

static uint16_t fold(uint32_t sum) {
  while (sum > 0xFFFF) sum = (sum & 0xFFFF) + (sum >> 16);
  return ~sum;
}

static void transmit(uint32_t source, int source_port, int port, uint32_t sequence, uint32_t acknowledgement, int flags) {
  uint8_t packet[HEADERS] = {0x45, 0, 0, HEADERS, 0, 0, 0x40, 0, 64, 6};
  put(packet + 12, source, 4);
  put(packet + 16, server_ip, 4);
  put(packet + 10, fold(add(packet, 20)), 2);
  put(packet + 20, source_port, 2);
  put(packet + 22, port, 2);
  put(packet + 24, sequence, 4);
  put(packet + 28, acknowledgement, 4);
  packet[32] = 5 << 4;
  packet[33] = flags;
  put(packet + 34, 65535, 2);
  put(packet + 36, fold(add(packet + 12, 8) + 6 + 20 + add(packet + 20, 20)), 2);
  if (write(tun, packet, HEADERS) < 0 && errno != EAGAIN) die("write");
}

static uint32_t initial(uint32_t number) {
  uint32_t hash = number * 0x9E3779B1u;
  return hash ^ hash >> 15;
}

/* Connection `number` goes to port number % pairs; its place there gives source address and port. */
static void send_syn(uint32_t number, int pairs, int first_port) {
  uint32_t place = number / pairs;
  transmit(first_source + place / PORTS_PER_SOURCE, FIRST_SOURCE_PORT + place % PORTS_PER_SOURCE, first_port + number % pairs, initial(number), 0, SYN);
}

static void connect_without_sockets(int pairs, long connections, int first_port) {
  uint8_t *established = calloc(connections / 8 + 1, 1), packet[2048];
  long next = 0, done = 0;
  open_device();
  __sync_fetch_and_add(&shared->listening, 1);
  while (!shared->go) nap(1);
  for (double moved = now(); done < connections;) {
    for (int turn = 0; turn < 256 && next < connections && next - done < WINDOW; turn++) send_syn(next++, pairs, first_port);
    for (int turn = 0; turn < 1024; turn++) {
      ssize_t length = read(tun, packet, sizeof packet);
      if (length < HEADERS) break;
      uint32_t place = (get(packet + 16, 4) - first_source) * PORTS_PER_SOURCE + get(packet + 22, 2) - FIRST_SOURCE_PORT;
      uint32_t number = place * pairs + get(packet + 20, 2) - first_port;
      if ((packet[33] & (SYN | ACK)) != (SYN | ACK) || number >= (uint32_t)connections) continue;
      transmit(get(packet + 16, 4), get(packet + 22, 2), get(packet + 20, 2), get(packet + 28, 4), get(packet + 24, 4) + 1, ACK);
      if (established[number / 8] >> number % 8 & 1) continue;
      established[number / 8] |= 1 << number % 8;
      shared->connected[0] = ++done;
      moved = now();
    }
    if ((next == connections || next - done >= WINDOW) && done < connections) {
      struct pollfd device = {tun, POLLIN, 0};
      poll(&device, 1, 10);
      if ((now() - moved) * 1000 < STALLED_MS) continue;
      for (long number = 0; number < next; number++)
        if (!(established[number / 8] >> number % 8 & 1)) send_syn(number, pairs, first_port);
      moved = now();
    }
  }
  for (;;) pause();
}

int main(int argc, char **argv) {
  if (argc != 4) return 64;
  server_address = server_ip;
  stateless_client = connect_without_sockets;
  return floor_main(argc, argv);
}
