import koffi from 'koffi';

/**
 * OpenSSL 3 through koffi: Node's own executable exports its functions, and a Node that is linked with a shared library has that library's among its
 * symbols. Where neither is so (Electron, a stripped build) the host's libssl is tried. Pointers are plain numbers: user space has 47 bits on x86-64 and at
 * most 52 on arm64, so that a double holds them exactly and a typed array can keep them.
 */
const declarations = {
  OpenSSL_version: 'const char *OpenSSL_version(int type)',
  OpenSSL_version_num: 'unsigned long OpenSSL_version_num()',
  TLS_client_method: 'uintptr_t TLS_client_method()',
  TLS_server_method: 'uintptr_t TLS_server_method()',
  SSL_CTX_new: 'uintptr_t SSL_CTX_new(uintptr_t method)',
  SSL_CTX_ctrl: 'long SSL_CTX_ctrl(uintptr_t context, int command, long number, uintptr_t pointer)',
  SSL_CTX_set_options: 'uint64_t SSL_CTX_set_options(uintptr_t context, uint64_t options)',
  SSL_CTX_set_num_tickets: 'int SSL_CTX_set_num_tickets(uintptr_t context, uintptr_t tickets)',
  SSL_CTX_set_verify: 'void SSL_CTX_set_verify(uintptr_t context, int mode, uintptr_t callback)',
  SSL_CTX_load_verify_locations: 'int SSL_CTX_load_verify_locations(uintptr_t context, const char *file, const char *directory)',
  SSL_CTX_get_cert_store: 'uintptr_t SSL_CTX_get_cert_store(uintptr_t context)',
  SSL_CTX_get0_param: 'uintptr_t SSL_CTX_get0_param(uintptr_t context)',
  SSL_CTX_use_certificate_ASN1: 'int SSL_CTX_use_certificate_ASN1(uintptr_t context, int length, void *bytes)',
  SSL_CTX_use_PrivateKey_ASN1: 'int SSL_CTX_use_PrivateKey_ASN1(int type, uintptr_t context, void *bytes, long length)',
  SSL_CTX_use_certificate_chain_file: 'int SSL_CTX_use_certificate_chain_file(uintptr_t context, const char *file)',
  SSL_CTX_use_PrivateKey_file: 'int SSL_CTX_use_PrivateKey_file(uintptr_t context, const char *file, int type)',
  SSL_CTX_check_private_key: 'int SSL_CTX_check_private_key(uintptr_t context)',
  SSL_CTX_set_default_passwd_cb_userdata: 'void SSL_CTX_set_default_passwd_cb_userdata(uintptr_t context, void *text)',
  SSL_CTX_set_alpn_protos: 'int SSL_CTX_set_alpn_protos(uintptr_t context, void *protocols, uint32_t length)',
  X509_VERIFY_PARAM_set1_host: 'int X509_VERIFY_PARAM_set1_host(uintptr_t parameters, const char *name, uintptr_t length)',
  X509_VERIFY_PARAM_set1_ip_asc: 'int X509_VERIFY_PARAM_set1_ip_asc(uintptr_t parameters, const char *address)',
  X509_STORE_add_cert: 'int X509_STORE_add_cert(uintptr_t store, uintptr_t certificate)',
  X509_free: 'void X509_free(uintptr_t certificate)',
  BIO_new_mem_buf: 'uintptr_t BIO_new_mem_buf(void *bytes, int length)',
  BIO_free: 'int BIO_free(uintptr_t bio)',
  PEM_read_bio_X509: 'uintptr_t PEM_read_bio_X509(uintptr_t bio, uintptr_t out, uintptr_t callback, uintptr_t argument)',
  SSL_new: 'uintptr_t SSL_new(uintptr_t context)',
  SSL_free: 'void SSL_free(uintptr_t ssl)',
  SSL_free_buffers: 'int SSL_free_buffers(uintptr_t ssl)',
  SSL_set_fd: 'int SSL_set_fd(uintptr_t ssl, int fd)',
  SSL_set_connect_state: 'void SSL_set_connect_state(uintptr_t ssl)',
  SSL_set_accept_state: 'void SSL_set_accept_state(uintptr_t ssl)',
  SSL_ctrl: 'long SSL_ctrl(uintptr_t ssl, int command, long number, void *pointer)',
  SSL_do_handshake: 'int SSL_do_handshake(uintptr_t ssl)',
  SSL_read: 'int SSL_read(uintptr_t ssl, void *buffer, int length)',
  SSL_write: 'int SSL_write(uintptr_t ssl, void *buffer, int length)',
  SSL_shutdown: 'int SSL_shutdown(uintptr_t ssl)',
  SSL_get_error: 'int SSL_get_error(uintptr_t ssl, int result)',
  SSL_get_verify_result: 'long SSL_get_verify_result(uintptr_t ssl)',
  SSL_set_session: 'int SSL_set_session(uintptr_t ssl, uintptr_t session)',
  SSL_get1_session: 'uintptr_t SSL_get1_session(uintptr_t ssl)',
  SSL_session_reused: 'int SSL_session_reused(uintptr_t ssl)',
  SSL_SESSION_is_resumable: 'int SSL_SESSION_is_resumable(uintptr_t session)',
  SSL_SESSION_free: 'void SSL_SESSION_free(uintptr_t session)',
  SSL_get_version: 'const char *SSL_get_version(uintptr_t ssl)',
  SSL_get_current_cipher: 'uintptr_t SSL_get_current_cipher(uintptr_t ssl)',
  SSL_CIPHER_get_name: 'const char *SSL_CIPHER_get_name(uintptr_t cipher)',
  ERR_get_error: 'unsigned long ERR_get_error()',
  ERR_clear_error: 'void ERR_clear_error()',
} as const;

/** The functions under their own names, so that OpenSSL's manual pages hold for them. */
export interface OpenSsl {
  OpenSSL_version(type: number): string;
  OpenSSL_version_num(): number;
  TLS_client_method(): number;
  TLS_server_method(): number;
  SSL_CTX_new(method: number): number;
  SSL_CTX_ctrl(context: number, command: number, number: number, pointer: number): number;
  SSL_CTX_set_options(context: number, options: number): number;
  SSL_CTX_set_num_tickets(context: number, tickets: number): number;
  SSL_CTX_set_verify(context: number, mode: number, callback: number): void;
  SSL_CTX_load_verify_locations(context: number, file: string | null, directory: string | null): number;
  SSL_CTX_get_cert_store(context: number): number;
  SSL_CTX_get0_param(context: number): number;
  SSL_CTX_use_certificate_ASN1(context: number, length: number, bytes: Uint8Array): number;
  SSL_CTX_use_PrivateKey_ASN1(type: number, context: number, bytes: Uint8Array, length: number): number;
  SSL_CTX_use_certificate_chain_file(context: number, file: string): number;
  SSL_CTX_use_PrivateKey_file(context: number, file: string, type: number): number;
  SSL_CTX_check_private_key(context: number): number;
  SSL_CTX_set_default_passwd_cb_userdata(context: number, text: Uint8Array): void;
  SSL_CTX_set_alpn_protos(context: number, protocols: Uint8Array, length: number): number;
  X509_VERIFY_PARAM_set1_host(parameters: number, name: string, length: number): number;
  X509_VERIFY_PARAM_set1_ip_asc(parameters: number, address: string): number;
  X509_STORE_add_cert(store: number, certificate: number): number;
  X509_free(certificate: number): void;
  BIO_new_mem_buf(bytes: Uint8Array, length: number): number;
  BIO_free(bio: number): number;
  PEM_read_bio_X509(bio: number, out: number, callback: number, argument: number): number;
  SSL_new(context: number): number;
  SSL_free(ssl: number): void;
  SSL_free_buffers(ssl: number): number;
  SSL_set_fd(ssl: number, fd: number): number;
  SSL_set_connect_state(ssl: number): void;
  SSL_set_accept_state(ssl: number): void;
  SSL_ctrl(ssl: number, command: number, number: number, pointer: Uint8Array): number;
  SSL_do_handshake(ssl: number): number;
  SSL_read(ssl: number, buffer: Uint8Array, length: number): number;
  SSL_write(ssl: number, buffer: Uint8Array, length: number): number;
  SSL_shutdown(ssl: number): number;
  SSL_get_error(ssl: number, result: number): number;
  SSL_get_verify_result(ssl: number): number;
  SSL_set_session(ssl: number, session: number): number;
  SSL_get1_session(ssl: number): number;
  SSL_session_reused(ssl: number): number;
  SSL_SESSION_is_resumable(session: number): number;
  SSL_SESSION_free(session: number): void;
  SSL_get_version(ssl: number): string;
  SSL_get_current_cipher(ssl: number): number;
  SSL_CIPHER_get_name(cipher: number): string;
  ERR_get_error(): number;
  ERR_clear_error(): void;
}

/** null: the symbols of this process. */
const sources = [null, 'libssl.so.3'] as const;
/** OpenSSL 3.0.0: error codes and options have other values before. */
const oldestVersion = 0x30000000;

/** What a process finds: OpenSSL's version, or what is missing. */
export interface OpenSslFound {
  version: string | null;
  /** Functions that this Node does not export; empty when OpenSSL was found. */
  missing: string[];
}

let loaded: OpenSsl | undefined;
let missing: string[] = [];

/** The functions; undefined where this process has none. */
export function findOpenSsl(): OpenSsl | undefined {
  if (loaded !== undefined || missing.length > 0) return loaded;
  for (const source of sources) {
    const found = loadFrom(source);
    if (Array.isArray(found)) {
      if (missing.length === 0) missing = found;
    } else {
      loaded = found;
      missing = [];
      return loaded;
    }
  }
  return undefined;
}

/** For the probe: whether this Node can speak TLS on plain sockets. */
export function probeOpenSsl(): OpenSslFound {
  const found = findOpenSsl();
  return found === undefined ? { version: null, missing } : { version: found.OpenSSL_version(0).split(' ').slice(0, 2).join(' '), missing: [] };
}

/** The functions, or the names of those that are missing. */
function loadFrom(source: string | null): OpenSsl | string[] {
  const absent: string[] = [];
  const functions: Record<string, unknown> = {};
  let library: ReturnType<typeof koffi.load>;
  try {
    library = koffi.load(source);
  } catch {
    return [source ?? 'koffi'];
  }
  for (const [name, declaration] of Object.entries(declarations)) {
    try {
      functions[name] = library.func(declaration);
    } catch {
      absent.push(name);
    }
  }
  if (absent.length > 0) return absent;
  const openSsl = functions as unknown as OpenSsl;
  return openSsl.OpenSSL_version_num() < oldestVersion ? ['OpenSSL 3'] : openSsl;
}
