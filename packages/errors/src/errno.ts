/**
 * Linux error numbers, as `<asm-generic/errno-base.h>` and `<asm-generic/errno.h>` define them. They hold on every
 * architecture that runlet supports (x86_64, aarch64, riscv64, s390x, ppc64le; not on mips, sparc, alpha, parisc).
 */
const table = {
  EPERM: [1, "operation not permitted"],
  ENOENT: [2, "no such file or directory"],
  ESRCH: [3, "no such process"],
  EINTR: [4, "interrupted system call"],
  EIO: [5, "input/output error"],
  ENXIO: [6, "no such device or address"],
  E2BIG: [7, "argument list too long"],
  ENOEXEC: [8, "exec format error"],
  EBADF: [9, "bad file descriptor"],
  ECHILD: [10, "no child processes"],
  EAGAIN: [11, "resource temporarily unavailable"],
  ENOMEM: [12, "cannot allocate memory"],
  EACCES: [13, "permission denied"],
  EFAULT: [14, "bad address"],
  ENOTBLK: [15, "block device required"],
  EBUSY: [16, "device or resource busy"],
  EEXIST: [17, "file exists"],
  EXDEV: [18, "invalid cross-device link"],
  ENODEV: [19, "no such device"],
  ENOTDIR: [20, "not a directory"],
  EISDIR: [21, "is a directory"],
  EINVAL: [22, "invalid argument"],
  ENFILE: [23, "too many open files in system"],
  EMFILE: [24, "too many open files"],
  ENOTTY: [25, "inappropriate ioctl for device"],
  ETXTBSY: [26, "text file busy"],
  EFBIG: [27, "file too large"],
  ENOSPC: [28, "no space left on device"],
  ESPIPE: [29, "illegal seek"],
  EROFS: [30, "read-only file system"],
  EMLINK: [31, "too many links"],
  EPIPE: [32, "broken pipe"],
  EDOM: [33, "numerical argument out of domain"],
  ERANGE: [34, "numerical result out of range"],
  EDEADLK: [35, "resource deadlock avoided"],
  ENAMETOOLONG: [36, "file name too long"],
  ENOLCK: [37, "no locks available"],
  ENOSYS: [38, "function not implemented"],
  ENOTEMPTY: [39, "directory not empty"],
  ELOOP: [40, "too many levels of symbolic links"],
  ENODATA: [61, "no data available"],
  ETIME: [62, "timer expired"],
  EPROTO: [71, "protocol error"],
  EBADMSG: [74, "bad message"],
  EOVERFLOW: [75, "value too large for defined data type"],
  EUSERS: [87, "too many users"],
  ENOTSOCK: [88, "socket operation on non-socket"],
  EDESTADDRREQ: [89, "destination address required"],
  EMSGSIZE: [90, "message too long"],
  EPROTOTYPE: [91, "protocol wrong type for socket"],
  ENOPROTOOPT: [92, "protocol not available"],
  EPROTONOSUPPORT: [93, "protocol not supported"],
  ESOCKTNOSUPPORT: [94, "socket type not supported"],
  EOPNOTSUPP: [95, "operation not supported"],
  EAFNOSUPPORT: [97, "address family not supported by protocol"],
  EADDRINUSE: [98, "address already in use"],
  EADDRNOTAVAIL: [99, "cannot assign requested address"],
  ENETDOWN: [100, "network is down"],
  ENETUNREACH: [101, "network is unreachable"],
  ECONNABORTED: [103, "software caused connection abort"],
  ECONNRESET: [104, "connection reset by peer"],
  ENOBUFS: [105, "no buffer space available"],
  EISCONN: [106, "transport endpoint is already connected"],
  ENOTCONN: [107, "transport endpoint is not connected"],
  ETIMEDOUT: [110, "connection timed out"],
  ECONNREFUSED: [111, "connection refused"],
  EHOSTUNREACH: [113, "no route to host"],
  EALREADY: [114, "operation already in progress"],
  EINPROGRESS: [115, "operation now in progress"],
  ESTALE: [116, "stale file handle"],
  EUCLEAN: [117, "structure needs cleaning"],
  EREMOTEIO: [121, "remote I/O error"],
  EDQUOT: [122, "disk quota exceeded"],
  EKEYREVOKED: [128, "key has been revoked"],
} as const satisfies Record<string, readonly [number, string]>;

/** The kernel's name of an error number, e.g. `"ENOENT"`. */
export type ErrnoName = keyof typeof table;

const byNumber = new Map<number, ErrnoName>();
for (const name of Object.keys(table) as ErrnoName[]) byNumber.set(table[name][0], name);

/** Error numbers by name: `errno.ENOENT === 2`. */
export const errno = Object.fromEntries(Object.entries(table).map(([name, [number]]) => [name, number])) as {
  readonly [Name in ErrnoName]: (typeof table)[Name][0];
};

/**
 * @param number - a positive error number.
 * @returns the kernel's name, or `errno N` for a number that is not in the table.
 */
export function errnoName(number: number): string {
  return byNumber.get(number) ?? `errno ${number}`;
}

/**
 * @param nameOrNumber - `"ENOENT"` or `2`.
 * @returns the words of strerror(3) in lower case, as engines match them: `"no such file or directory"`.
 */
export function errnoMessage(nameOrNumber: string | number): string {
  const name = typeof nameOrNumber === "number" ? errnoName(nameOrNumber) : nameOrNumber;
  return (table as Record<string, readonly [number, string]>)[name]?.[1] ?? name;
}
