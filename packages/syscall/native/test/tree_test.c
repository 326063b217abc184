/* Paths below a root and copies of trees, on a real file system in a directory of its own, under ASan and UBSan. Built with
 * -DRUNLET_HOSTED. */
#include "../init/init.h"

#include "expect.h"

#include <stdlib.h>
#include <string.h>



/* Of the C library's <sys/stat.h>, which cannot be included beside the kernel's headers. */
extern int mkdir(const char *path, unsigned mode), mkfifo(const char *path, unsigned mode);
extern int chmod(const char *path, unsigned mode);
extern int symlink(const char *target, const char *path), access(const char *path, int mode), chdir(const char *path);
extern int close(int fd);
extern long readlink(const char *path, char *buffer, size_t size);
extern unsigned umask(unsigned mask);

result fail(struct init *init, result error, const char *call, const char *text) {
  (void)init, (void)call, (void)text;
  return error;
}

static char top[] = "/tmp/runlet-tree-XXXXXX";

static void make(const char *path, const char *content) {
  FILE *file = fopen(path, "w");
  if (!file) abort();
  fputs(content, file);
  fclose(file);
}

static bool exists(const char *path) { return access(path, 0) == 0; }

static void prepare(void) {
  if (!mkdtemp(top) || chdir(top) < 0) abort();
  if (mkdir("root", 0755) || mkdir("outside", 0755) || mkdir("root/real", 0755)) abort();
  if (symlink("/../../outside", "root/out") || symlink("real", "root/link") || symlink("/nowhere", "root/dangling")) abort();
  if (symlink("loop", "root/loop")) abort();
}

static int open_directory(const char *path) {
  return (int)KERNEL(openat, AT_FDCWD, path, O_PATH_ | O_DIRECTORY, 0);
}

static struct statx status_of(const char *path) {
  struct statx status = {0};
  EXPECT(KERNEL(statx, AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &status) == 0);
  return status;
}

static struct init init_at(const char *path) {
  struct init init = {.root_fd = open_directory(path), .device_dir_fd = -1, .proc_fd = -1};
  return init;
}

static void expect_target(const char *path, enum target_kind kind, bool plain, bool works) {
  struct init init = init_at("root");
  int fd CLEANUP_FD = (int)open_target(&init, path, kind, true, plain);
  EXPECT((fd >= 0) == works);
  EXPECT(!works || is_directory(fd) == (kind == TARGET_DIRECTORY));
  close(init.root_fd);
}

static void test_targets_stay_inside(void) {
  expect_target("/new/deep/directory", TARGET_DIRECTORY, false, true);
  EXPECT(exists("root/new/deep/directory"));
  expect_target("/new/file", TARGET_FILE, false, true);
  expect_target("/link/below", TARGET_DIRECTORY, false, true);
  EXPECT(exists("root/real/below"));
  expect_target("/out/escaped", TARGET_DIRECTORY, false, false);
  EXPECT(!exists("outside/escaped"));
  expect_target("/dangling/x", TARGET_DIRECTORY, false, false);
  expect_target("/loop", TARGET_DIRECTORY, false, false);
  expect_target("/link", TARGET_DIRECTORY, true, false);
  expect_target("/link", TARGET_DIRECTORY, false, true);
  EXPECT(!exists("/nowhere"));
}

static void test_parent_is_kept(void) {
  struct init init = init_at("root");
  const char *name;
  result first = open_parent(&init, "/dev/null", &name);
  EXPECT(first >= 0 && strcmp(name, "null") == 0);
  EXPECT(open_parent(&init, "/dev/zero", &name) == first && strcmp(name, "zero") == 0);
  EXPECT(open_parent(&init, "/dev/", &name) == -EINVAL);
  result other = open_parent(&init, "/real/x", &name);
  EXPECT(other >= 0 && exists("root/dev"));
  fd_close(&init.device_dir_fd);
  close(init.root_fd);
}

static void test_copies_trees(void) {
  if (mkdir("from", 0750) || mkdir("from/sub", 0711) || mkdir("to", 0700)) abort();
  make("from/file", "content");
  make("from/sub/inner", "more");
  if (chmod("from/file", 04755) || symlink("/etc/passwd", "from/sub/link") || mkfifo("from/fifo", 0600)) abort();
  struct init init = init_at("root");
  int from = open_directory("from"), to = open_directory("to");
  EXPECT(copy_tree(&init, from, to) == 0);
  char link[64] = "";
  EXPECT((status_of("to/file").stx_mode & 07777) == 04755 && status_of("to/file").stx_size == 7);
  EXPECT((status_of("to").stx_mode & 07777) == 0700);
  EXPECT((status_of("to/sub").stx_mode & 07777) == 0711);
  EXPECT(readlink("to/sub/link", link, sizeof link - 1) == 11 && strcmp(link, "/etc/passwd") == 0);
  EXPECT(S_ISFIFO(status_of("to/fifo").stx_mode));
  EXPECT(exists("to/sub/inner"));
  close(from), close(to), close(init.root_fd);
}

int main(void) {
  umask(0);
  prepare();
  test_targets_stay_inside();
  test_parent_is_kept();
  test_copies_trees();
  if (chdir("/") == 0) {
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", top);
    if (system(command) != 0) failed++;
  }
  return report_expectations();
}
