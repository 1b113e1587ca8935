/*
 * The floor: the same server and client as the epoll engine in plain C, as the yardstick of `npm run bench`.
 *
 *   floor PAIRS CONNECTIONS FIRST_PORT
 *
 * PAIRS server processes (each listening on one port of 127.0.0.1 from FIRST_PORT on, epoll, accept4) and PAIRS client
 * processes (blocking connect, the socket then added to an epoll set) share CONNECTIONS. One JSON line on standard output
 * at each step:
 *   {"step":"ready","server":[pids],"client":[pids]}       all listen, nothing is connected yet
 *   {"step":"held","connectSeconds":…,"acceptedSeconds":…}  all are connected and accepted
 * One byte on standard input starts the ramp, a second one (or its end) ends everything, servers first; SO_LINGER {1,0} on the listener
 * is inherited by accept4, so no TIME_WAIT stays. The whole is bounded: an alarm ends each process after 600 s.
 *
 *   cc -O2 -o floor floor.c
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAXIMUM_PAIRS = 512, EVENTS = 1024, ACCEPTS_PER_TURN = 4096, SECONDS_AT_MOST = 600 };

struct shared {
  volatile int listening, go, stop_servers, failed;
  volatile int accepted[MAXIMUM_PAIRS], connected[MAXIMUM_PAIRS];
};
static struct shared *shared;

/* Where the servers listen, and a client of all connections that is run in place of one for each server; both are for statelessFloor.c. */
static in_addr_t server_address = INADDR_LOOPBACK;
static void (*stateless_client)(int pairs, long connections, int first_port);

static void die(const char *what) {
  fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
  shared->failed = 1;
  exit(1);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void nap(long milliseconds) {
  struct timespec t = {milliseconds / 1000, milliseconds % 1000 * 1000000};
  nanosleep(&t, NULL);
}

static struct sockaddr_in address_of(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(server_address)};
  return address;
}

static void watch(int epoll, int fd) {
  struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.fd = fd};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) die("epoll_ctl");
}

/* Accepts on a port and hands over each connection once, and then each time that it can be read. */
static void serve_with(int port, void (*accepted)(int fd, int index), void (*readable)(int fd, int index), int index) {
  int epoll = epoll_create1(EPOLL_CLOEXEC), listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
  struct linger linger = {1, 0};
  struct sockaddr_in address = address_of(port);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  setsockopt(listener, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0) die("bind");
  if (listen(listener, 65535) < 0) die("listen");
  watch(epoll, listener);
  __sync_fetch_and_add(&shared->listening, 1);
  static struct epoll_event events[EVENTS];
  while (!shared->stop_servers) {
    int count = epoll_wait(epoll, events, EVENTS, 20);
    for (int i = 0; i < count; i++) {
      int fd = events[i].data.fd;
      if (fd != listener) {
        readable(fd, index);
        continue;
      }
      for (int turn = 0; turn < ACCEPTS_PER_TURN; turn++) {
        int connection = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (connection < 0) {
          if (errno == EAGAIN) break;
          die("accept4");
        }
        watch(epoll, connection);
        accepted(connection, index);
      }
    }
  }
  exit(0);
}

static void count_accepted(int fd, int index) {
  (void)fd;
  shared->accepted[index]++;
}

static void echo(int fd, int index) {
  (void)index;
  char buffer[4096];
  ssize_t got = read(fd, buffer, sizeof buffer);
  if (got > 0) {
    if (write(fd, buffer, got) < 0 && errno != EAGAIN) close(fd);
  } else if (got == 0 || errno != EAGAIN) {
    close(fd);
  }
}

static void serve(int index, int port) { serve_with(port, count_accepted, echo, index); }

static void connect_all(int index, int port, int share) {
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  struct sockaddr_in address = address_of(port);
  while (!shared->go) nap(1);
  for (int i = 0; i < share; i++) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) die("socket");
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) die("connect");
    watch(epoll, fd);
    shared->connected[index]++;
  }
  for (;;) pause();
}

/* One server and one client process; tlsFloor.c has its own. */
static void (*server_process)(int index, int port) = serve;
static void (*client_process)(int index, int port, int share) = connect_all;

static void print_pids(const char *name, const pid_t *pids, int pairs) {
  printf("\"%s\":[", name);
  for (int i = 0; i < pairs; i++) printf("%s%d", i ? "," : "", pids[i]);
  printf("]");
}

static long sum(volatile int *counts, int pairs) {
  long total = 0;
  for (int i = 0; i < pairs; i++) total += counts[i];
  return total;
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: floor PAIRS CONNECTIONS FIRST_PORT\n");
    return 64;
  }
  int pairs = atoi(argv[1]), first_port = atoi(argv[3]);
  long connections = atol(argv[2]);
  if (pairs < 1 || pairs > MAXIMUM_PAIRS || connections < pairs) return 64;
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return 1;
  static pid_t servers[MAXIMUM_PAIRS], clients[MAXIMUM_PAIRS];
  for (int side = 0; side < 2; side++) {
    int processes = side == 1 && stateless_client ? 1 : pairs;
    for (int i = 0; i < processes; i++) {
      pid_t pid = fork();
      if (pid < 0) die("fork");
      if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(SECONDS_AT_MOST);
        if (side == 0) server_process(i, first_port + i);
        if (stateless_client) stateless_client(pairs, connections, first_port);
        client_process(i, first_port + i, connections / pairs + (i < connections % pairs));
      }
      (side == 0 ? servers : clients)[i] = pid;
    }
  }
  alarm(SECONDS_AT_MOST);
  int client_count = stateless_client ? 1 : pairs;
  while (shared->listening < pairs + (stateless_client ? 1 : 0) && !shared->failed) nap(1);
  printf("{\"step\":\"ready\",");
  print_pids("server", servers, pairs);
  printf(",");
  print_pids("client", clients, client_count);
  printf("}\n");
  fflush(stdout);
  char byte;
  if (!shared->failed && read(0, &byte, 1) == 1) {
    double start = now(), connected = 0;
    shared->go = 1;
    for (;;) {
      if (shared->failed) break;
      if (!connected && sum(shared->connected, pairs) == connections) connected = now();
      if (connected && sum(shared->accepted, pairs) == connections) break;
      nap(1);
    }
    if (!shared->failed) {
      printf("{\"step\":\"held\",\"connectSeconds\":%.4f,\"acceptedSeconds\":%.4f}\n", connected - start, now() - start);
      fflush(stdout);
      if (read(0, &byte, 1) < 0) perror("read");
    }
  }
  shared->stop_servers = 1;
  for (int i = 0; i < pairs; i++) waitpid(servers[i], NULL, 0);
  for (int i = 0; i < client_count; i++) kill(clients[i], SIGKILL), waitpid(clients[i], NULL, 0);
  return shared->failed;
}
