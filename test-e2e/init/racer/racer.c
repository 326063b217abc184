/* racer PATH PATH: gives two paths each other's place (renameat2(2), RENAME_EXCHANGE), again and again, until it is killed or
 * whoever started it is gone. Writes a line once it has begun. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXCHANGE 2

int main(int argc, char **argv) {
  if (argc != 3 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) return 2;
  for (long count = 0;; count++) {
    if (syscall(SYS_renameat2, AT_FDCWD, argv[1], AT_FDCWD, argv[2], EXCHANGE) < 0) {
      fprintf(stderr, "racer: %s\n", strerror(errno));
      return 1;
    }
    if (count == 0) {
      puts("racing");
      fflush(stdout);
    }
  }
}
