/*
 * Compiles profiles with libseccomp, the way runc drives it, for comparison. Standard input, one command a line:
 *
 *   begin DEFAULT_ACTION OPTIMIZE   starts a profile
 *   arch NAME                       adds an architecture; the first one is the native one
 *   rule ACTION NAME [ARG OP A B]…  adds a rule
 *   end                             prints "ok BPF PFC", both in hexadecimal digits, or "error ERRNO"
 *   time                            prints "ns N": from begin to the exported filter
 *
 * Numbers are decimal. Rules of names that libseccomp does not know are left out.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MAX_LINES 4096

static char *lines[MAX_LINES];
static size_t line_count;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int add_rule(scmp_filter_ctx ctx, char *line)
{
	struct scmp_arg_cmp args[6];
	unsigned int count = 0;
	char *save = NULL;
	uint32_t action = strtoul(strtok_r(line, " ", &save), NULL, 10);
	char *name = strtok_r(NULL, " ", &save);
	int number = seccomp_syscall_resolve_name(name);
	char *word;

	if (number == __NR_SCMP_ERROR)
		return 0;
	while ((word = strtok_r(NULL, " ", &save)) != NULL) {
		args[count].arg = strtoul(word, NULL, 10);
		args[count].op = strtoul(strtok_r(NULL, " ", &save), NULL, 10);
		args[count].datum_a = strtoull(strtok_r(NULL, " ", &save), NULL, 10);
		args[count].datum_b = strtoull(strtok_r(NULL, " ", &save), NULL, 10);
		count++;
	}
	return seccomp_rule_add_array(ctx, action, number, count, args);
}

static scmp_filter_ctx build(int *error)
{
	scmp_filter_ctx ctx = NULL;
	uint32_t native = seccomp_arch_native();
	bool is_first = true;

	for (size_t i = 0; i < line_count; i++) {
		char *line = lines[i];

		if (strncmp(line, "begin ", 6) == 0) {
			char *rest;
			uint32_t action = strtoul(line + 6, &rest, 10);

			ctx = seccomp_init(action);
			if (ctx == NULL)
				die("seccomp_init");
			seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, strtoul(rest, NULL, 10));
		} else if (strncmp(line, "arch ", 5) == 0) {
			uint32_t token = seccomp_arch_resolve_name(line + 5);

			if (is_first && token != native)
				seccomp_arch_remove(ctx, native);
			is_first = false;
			*error = seccomp_arch_add(ctx, token);
			if (*error != 0 && *error != -EEXIST)
				return ctx;
			*error = 0;
		} else if (strncmp(line, "rule ", 5) == 0) {
			*error = add_rule(ctx, line + 5);
			if (*error != 0)
				return ctx;
		}
	}
	return ctx;
}

static void print_hex(int fd)
{
	static unsigned char bytes[1 << 20];
	ssize_t size = pread(fd, bytes, sizeof(bytes), 0);

	if (size < 0)
		die("pread");
	putchar(' ');
	for (ssize_t i = 0; i < size; i++)
		printf("%02x", bytes[i]);
}

static int open_scratch(void)
{
	int fd = memfd_create("filter", MFD_CLOEXEC);

	if (fd < 0)
		die("memfd_create");
	return fd;
}

static void finish(bool is_timed)
{
	int bpf_fd = open_scratch(), pfc_fd = open_scratch();
	int error = 0;
	int64_t start = now_ns();
	scmp_filter_ctx ctx = build(&error);

	if (error == 0)
		error = seccomp_export_bpf(ctx, bpf_fd);
	if (is_timed) {
		printf("ns %lld", (long long)(now_ns() - start));
	} else if (error != 0) {
		printf("error %d", error);
	} else {
		if (seccomp_export_pfc(ctx, pfc_fd) != 0)
			die("seccomp_export_pfc");
		printf("ok");
		print_hex(bpf_fd);
		print_hex(pfc_fd);
	}
	putchar('\n');
	fflush(stdout);
	seccomp_release(ctx);
	close(bpf_fd);
	close(pfc_fd);
	for (size_t i = 0; i < line_count; i++)
		free(lines[i]);
	line_count = 0;
}

int main(void)
{
	char *line = NULL;
	size_t capacity = 0;
	ssize_t length;

	while ((length = getline(&line, &capacity, stdin)) > 0) {
		if (line[length - 1] == '\n')
			line[length - 1] = '\0';
		if (strcmp(line, "end") == 0) {
			finish(false);
		} else if (strcmp(line, "time") == 0) {
			finish(true);
		} else {
			if (line_count == MAX_LINES)
				die("too many lines");
			lines[line_count] = strdup(line);
			if (lines[line_count++] == NULL)
				die("strdup");
		}
	}
	free(line);
	return 0;
}
