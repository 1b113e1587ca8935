/*
 * The floor of TLS: the servers and clients of floor.c, with each connection encrypted by the system's libssl as the epoll engine does it by Node's:
 * TLS 1.3, ECDSA P-256, buffers released while idle, no tickets, the certificate verified, handshakes without blocking.
 *
 *   tlsFloor PAIRS CONNECTIONS FIRST_PORT
 *
 * Steps, input and output are those of floor.c; a connection counts as connected and as accepted when its handshake is done on that side. A client
 * has at most WINDOW handshakes under way, as many as ours.
 *
 *   cc -O2 -o tlsFloor tlsFloor.c -lssl -lcrypto
 */
#define main floor_main
#include "floor.c"
#undef main
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

enum { WINDOW = 256, VALID_SECONDS = 3600 };

static SSL_CTX *server_context, *client_context;
/* By descriptor; of handshakes that are done, `done` is set. */
static SSL **sessions;
static char *done;

static void die_of_tls(const char *what) {
  fprintf(stderr, "tlsFloor: %s: %s\n", what, ERR_reason_error_string(ERR_peek_error()));
  shared->failed = 1;
  exit(1);
}

static X509 *make_certificate(EVP_PKEY *key) {
  X509 *certificate = X509_new();
  X509_NAME *name = X509_get_subject_name(certificate);
  X509V3_CTX context;
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -VALID_SECONDS);
  X509_gmtime_adj(X509_getm_notAfter(certificate), VALID_SECONDS);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"floor", -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  X509_set_pubkey(certificate, key);
  X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
  X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, &context, NID_subject_alt_name, "DNS:localhost");
  X509_add_ext(certificate, names, -1);
  if (X509_sign(certificate, key, EVP_sha256()) == 0) die_of_tls("certificate");
  return certificate;
}

static SSL_CTX *make_context(const SSL_METHOD *method) {
  SSL_CTX *context = SSL_CTX_new(method);
  if (context == NULL) die_of_tls("context");
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(context, 0);
  return context;
}

static void make_contexts(void) {
  EVP_PKEY *key = EVP_EC_gen("P-256");
  X509 *certificate = make_certificate(key);
  server_context = make_context(TLS_server_method());
  client_context = make_context(TLS_client_method());
  if (SSL_CTX_use_certificate(server_context, certificate) != 1 || SSL_CTX_use_PrivateKey(server_context, key) != 1) die_of_tls("key");
  X509_STORE_add_cert(SSL_CTX_get_cert_store(client_context), certificate);
  SSL_CTX_set_verify(client_context, SSL_VERIFY_PEER, NULL);
  X509_VERIFY_PARAM_set1_host(SSL_CTX_get0_param(client_context), "localhost", 0);
}

static void make_tables(void) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  sessions = calloc(limit.rlim_cur, sizeof *sessions);
  done = calloc(limit.rlim_cur, 1);
  if (!sessions || !done) die("calloc");
}

/* Goes on with a handshake; true when that made it done. */
static int advance(int fd) {
  int result = SSL_do_handshake(sessions[fd]);
  if (result == 1) return done[fd] = 1;
  int error = SSL_get_error(sessions[fd], result);
  if (error == SSL_ERROR_WANT_READ) return 0;
  die_of_tls("handshake");
  return 0;
}

static void begin(int fd, SSL_CTX *context) {
  sessions[fd] = SSL_new(context);
  if (!sessions[fd] || SSL_set_fd(sessions[fd], fd) != 1) die_of_tls("session");
  done[fd] = 0;
}

static void end(int fd) {
  SSL_free(sessions[fd]);
  sessions[fd] = NULL;
  close(fd);
}

/* Its session is made when it has something to say. */
static void accept_tls(int fd, int index) {
  (void)fd, (void)index;
}

static void read_tls(int fd, int index) {
  static char buffer[16384];
  if (!done[fd]) {
    if (!sessions[fd]) {
      begin(fd, server_context);
      SSL_set_accept_state(sessions[fd]);
    }
    if (advance(fd)) shared->accepted[index]++;
    return;
  }
  int got = SSL_read(sessions[fd], buffer, sizeof buffer);
  if (got > 0) got = SSL_write(sessions[fd], buffer, got);
  if (got <= 0 && SSL_get_error(sessions[fd], got) != SSL_ERROR_WANT_READ) end(fd);
}

static void serve_tls(int index, int port) {
  make_tables();
  serve_with(port, accept_tls, read_tls, index);
}

static int connect_one(int epoll, struct sockaddr_in *address) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket");
  if (connect(fd, (struct sockaddr *)address, sizeof *address) < 0) die("connect");
  fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
  watch(epoll, fd);
  begin(fd, client_context);
  SSL_set_connect_state(sessions[fd]);
  SSL_set_tlsext_host_name(sessions[fd], "localhost");
  return advance(fd);
}

static void connect_all_tls(int index, int port, int share) {
  int epoll = epoll_create1(EPOLL_CLOEXEC), begun = 0, established = 0;
  struct sockaddr_in address = address_of(port);
  static struct epoll_event events[EVENTS];
  make_tables();
  while (!shared->go) nap(1);
  while (established < share) {
    while (begun < share && begun - established < WINDOW) begun++, established += connect_one(epoll, &address);
    int count = epoll_wait(epoll, events, EVENTS, 20);
    for (int i = 0; i < count; i++)
      if (!done[events[i].data.fd]) established += advance(events[i].data.fd);
    shared->connected[index] = established;
  }
  for (;;) pause();
}

int main(int argc, char **argv) {
  if (argc != 4) return 64;
  static struct shared before_the_fork;
  shared = &before_the_fork;
  make_contexts();
  server_process = serve_tls;
  client_process = connect_all_tls;
  return floor_main(argc, argv);
}
