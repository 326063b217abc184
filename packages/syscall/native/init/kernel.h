/* The kernel, and nothing else: system calls without a C library, so that the helper is one small static file that
 * starts in no time and that needs no libc.a to be built. Every call returns a value >= 0 or -errno. */
#ifndef RUNLET_INIT_KERNEL_H
#define RUNLET_INIT_KERNEL_H

/* First: its names are left out once a header of the C library has been included. */
#include <linux/stat.h>

#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef long result;

#if defined(RUNLET_HOSTED)
/* Of the C library, whose headers cannot be included beside the kernel's. */
extern long syscall(long number, ...);
extern int *__errno_location(void);
static inline result kernel6(long number, long a, long b, long c, long d, long e, long f) {
  long value = syscall(number, a, b, c, d, e, f);
  return value == -1 ? -*__errno_location() : value;
}
#elif defined(__x86_64__)
static inline result kernel6(long number, long a, long b, long c, long d, long e, long f) {
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  result value;
  __asm__ volatile("syscall"
                   : "=a"(value)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return value;
}
#elif defined(__aarch64__)
static inline result kernel6(long number, long a, long b, long c, long d, long e, long f) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc 0"
                   : "+r"(x0)
                   : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                   : "memory");
  return x0;
}
#else
#error "x86_64 and aarch64 only"
#endif

#define KERNEL_PICK(_1, _2, _3, _4, _5, _6, _7, name, ...) name
#define KERNEL0(n) kernel6(n, 0, 0, 0, 0, 0, 0)
#define KERNEL1(n, a) kernel6(n, (long)(a), 0, 0, 0, 0, 0)
#define KERNEL2(n, a, b) kernel6(n, (long)(a), (long)(b), 0, 0, 0, 0)
#define KERNEL3(n, a, b, c) kernel6(n, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define KERNEL4(n, a, b, c, d) kernel6(n, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define KERNEL5(n, a, b, c, d, e) kernel6(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)
#define KERNEL6(n, a, b, c, d, e, f) kernel6(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
/* KERNEL(openat, AT_FDCWD, path, flags, 0) */
#define KERNEL_NUMBERED(...) \
  KERNEL_PICK(__VA_ARGS__, KERNEL6, KERNEL5, KERNEL4, KERNEL3, KERNEL2, KERNEL1, KERNEL0)(__VA_ARGS__)
#define KERNEL(call, ...) KERNEL_NUMBERED(__NR_##call, ##__VA_ARGS__)

/* System calls that kernel headers of the oldest supported distributions do not number. */
#ifndef __NR_mount_setattr
#define __NR_mount_setattr 442
#endif
#ifndef __NR_close_range
#define __NR_close_range 436
#endif
#ifndef __NR_set_mempolicy_home_node
#define __NR_set_mempolicy_home_node 450
#endif

/* From headers that cannot be included beside each other, or that older distributions lack. */
#define O_PATH_ 010000000
#define AT_RECURSIVE_ 0x8000
#define OPEN_TREE_CLONE_ 1
#define RESOLVE_NO_XDEV_ 0x01
#define RESOLVE_NO_MAGICLINKS_ 0x02
#define RESOLVE_NO_SYMLINKS_ 0x04
#define RESOLVE_BENEATH_ 0x08
#define RESOLVE_IN_ROOT_ 0x10
#define MOVE_MOUNT_EMPTY_PATHS 0x00000044 /* F_EMPTY_PATH | T_EMPTY_PATH */
#define CLOSE_RANGE_CLOEXEC_ (1U << 2)
#define MOUNT_ATTR_RDONLY_ 0x1
#define MOUNT_ATTR_IDMAP_ 0x00100000

struct open_how_ {
  uint64_t flags, mode, resolve;
};
struct mount_attr_ {
  uint64_t attr_set, attr_clr, propagation, userns_fd;
};

/* Memory and text; gcc may call the first four by itself. */
void *memcpy(void *to, const void *from, size_t length);
void *memset(void *to, int byte, size_t length);
void *memmove(void *to, const void *from, size_t length);
int memcmp(const void *a, const void *b, size_t length);
size_t text_length(const char *text);
bool text_equal(const char *a, const char *b);
/* Appends to a buffer of `size` bytes that ends in NUL; what does not fit is cut. */
void text_append(char *buffer, size_t size, const char *text);
void text_append_number(char *buffer, size_t size, int64_t number);

void fd_close(int *fd);
#define CLEANUP_FD __attribute__((cleanup(fd_close)))

#endif
