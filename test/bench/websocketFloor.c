/*
 * The floor of WebSocket: the servers and clients of floor.c with an opening handshake (RFC 6455, section 4) on each connection, as the epoll engine
 * makes it: a request with a key of its own, the accept value by SHA-1 on both sides, handshakes without blocking.
 *
 *   websocketFloor PAIRS CONNECTIONS FIRST_PORT
 *
 * Steps, input and output are those of floor.c; a connection counts as connected and as accepted when its handshake is done on that side. A client
 * has at most WINDOW handshakes under way, as many as ours.
 *
 *   cc -O2 -o websocketFloor websocketFloor.c
 */
#define main floor_main
#include "floor.c"
#undef main

enum { WINDOW = 256, KEY = 24, ACCEPT = 28, HEAD = 512 };

static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static uint32_t rotate(uint32_t value, int bits) { return value << bits | value >> (32 - bits); }

static void sha1_block(uint32_t state[5], const unsigned char *block) {
  uint32_t w[80], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
  for (int i = 0; i < 16; i++) w[i] = (uint32_t)block[4 * i] << 24 | block[4 * i + 1] << 16 | block[4 * i + 2] << 8 | block[4 * i + 3];
  for (int i = 16; i < 80; i++) w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
  for (int i = 0; i < 80; i++) {
    uint32_t f = i < 20 ? (b & c) | (~b & d) : i < 40 ? b ^ c ^ d : i < 60 ? (b & c) | (b & d) | (c & d) : b ^ c ^ d;
    uint32_t k = i < 20 ? 0x5a827999 : i < 40 ? 0x6ed9eba1 : i < 60 ? 0x8f1bbcdc : 0xca62c1d6;
    uint32_t next = rotate(a, 5) + f + e + k + w[i];
    e = d, d = c, c = rotate(b, 30), b = a, a = next;
  }
  state[0] += a, state[1] += b, state[2] += c, state[3] += d, state[4] += e;
}

/* The accept value of a key: base64 of SHA-1 of both; 60 bytes, so two blocks. */
static void accept_of(const char *key, char *accept) {
  unsigned char text[128] = {0}, digest[21] = {0};
  uint32_t state[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  memcpy(text, key, KEY);
  memcpy(text + KEY, guid, 36);
  text[60] = 0x80;
  text[126] = 480 >> 8, text[127] = 480 & 255;
  sha1_block(state, text);
  sha1_block(state, text + 64);
  for (int i = 0; i < 20; i++) digest[i] = state[i / 4] >> (24 - 8 * (i % 4));
  for (int i = 0; i < 7; i++) {
    uint32_t bits = digest[3 * i] << 16 | digest[3 * i + 1] << 8 | digest[3 * i + 2];
    for (int j = 0; j < 4; j++) accept[4 * i + j] = base64[bits >> (18 - 6 * j) & 63];
  }
  accept[27] = '=';
}

static void fail_handshake(const char *head) {
  fprintf(stderr, "websocketFloor: not a handshake: %.80s\n", head);
  shared->failed = 1;
  exit(1);
}

/* By descriptor: its handshake is done. */
static char *done;

static void answer(int fd, int index) {
  char head[HEAD], accept[ACCEPT];
  ssize_t got = read(fd, head, sizeof head - 1);
  if (got <= 0) {
    if (got == 0 || errno != EAGAIN) close(fd);
    return;
  }
  head[got] = 0;
  /* Over loopback a request of 150 bytes is one segment. */
  char *key = strstr(head, "Sec-WebSocket-Key: ");
  if (key == NULL || strstr(head, "\r\n\r\n") == NULL || strncmp(head, "GET /ws ", 8) != 0) fail_handshake(head);
  accept_of(key + 19, accept);
  char response[HEAD];
  int length = snprintf(response, sizeof response, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %.*s\r\n\r\n",
                        ACCEPT, accept);
  if (write(fd, response, length) != length) die("write");
  done[fd] = 1;
  shared->accepted[index]++;
}

static void begin_handshake(int fd, int index) {
  (void)index;
  done[fd] = 0;
}

static void read_upgraded(int fd, int index) {
  if (!done[fd]) {
    answer(fd, index);
    return;
  }
  char buffer[4096];
  ssize_t got = read(fd, buffer, sizeof buffer);
  if (got == 0 || (got < 0 && errno != EAGAIN)) close(fd);
}

static void serve_upgraded(int index, int port) { serve_with(port, begin_handshake, read_upgraded, index); }

/* The key of a connection from its number: 16 bytes in base64, as RFC 6455 wants them. */
static void key_of(uint32_t number, char *key) {
  memset(key, 'A', KEY);
  for (int i = 0; i < 6; i++) key[i] = base64[number >> (6 * i) & 63];
  key[22] = key[23] = '=';
}

static void upgrade_all(int index, int port, int share) {
  int epoll = epoll_create1(EPOLL_CLOEXEC), under_way = 0, begun = 0;
  struct sockaddr_in address = address_of(port);
  static struct epoll_event events[EVENTS];
  uint32_t *numbers = calloc(1 << 20, sizeof *numbers);
  if (numbers == NULL) die("calloc");
  while (!shared->go) nap(1);
  while (begun < share || under_way > 0) {
    while (begun < share && under_way < WINDOW) {
      char key[KEY], request[HEAD];
      int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      if (fd < 0) die("socket");
      if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) die("connect");
      numbers[fd] = (uint32_t)index << 20 | (uint32_t)begun++;
      key_of(numbers[fd], key);
      int length = snprintf(request, sizeof request,
                            "GET /ws HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %.*s\r\nSec-WebSocket-Version: 13\r\n\r\n",
                            port, KEY, key);
      if (write(fd, request, length) != length) die("write");
      watch(epoll, fd);
      under_way++;
    }
    int count = epoll_wait(epoll, events, EVENTS, begun < share && under_way < WINDOW ? 0 : 20);
    for (int i = 0; i < count; i++) {
      char head[HEAD], key[KEY], accept[ACCEPT];
      int fd = events[i].data.fd;
      ssize_t got = read(fd, head, sizeof head - 1);
      if (got <= 0) die("read");
      head[got] = 0;
      key_of(numbers[fd], key);
      accept_of(key, accept);
      char *found = strstr(head, "Sec-WebSocket-Accept: ");
      if (strncmp(head, "HTTP/1.1 101 ", 13) != 0 || found == NULL || memcmp(found + 22, accept, ACCEPT) != 0) fail_handshake(head);
      under_way--;
      shared->connected[index]++;
    }
  }
  for (;;) pause();
}

int main(int argc, char **argv) {
  done = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (done == MAP_FAILED) return 1;
  server_process = serve_upgraded;
  client_process = upgrade_all;
  return floor_main(argc, argv);
}
