/* Starts commands and says what they took, without the weight of the process that asks.
 *
 * Each line on standard input is a job: commands one after the other, separated by the word ";", or one
 * command after a number and "@", that many at a time, or after a number and "*", that many in a row; words are separated by tabs, and "#" in a word is replaced by a
 * number that no other run has. It answers with a line: nanoseconds, the highest resident set of any command in KiB, and how
 * many commands failed. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORDS 128
extern char **environ;
static unsigned long sequence;
static posix_spawn_file_actions_t actions;

static pid_t start(char **words, int count, unsigned long number) {
  static char filled[WORDS][4096];
  char *arguments[WORDS + 1];
  for (int i = 0; i < count; i++) {
    const char *mark = strchr(words[i], '#');
    if (mark == NULL) {
      arguments[i] = words[i];
    } else {
      snprintf(filled[i], sizeof filled[i], "%.*s%lu%s", (int)(mark - words[i]), words[i], number, mark + 1);
      arguments[i] = filled[i];
    }
  }
  arguments[count] = NULL;
  pid_t pid;
  return posix_spawnp(&pid, arguments[0], &actions, NULL, arguments, environ) == 0 ? pid : -1;
}

static long reap(pid_t pid, long *peak) {
  int status;
  struct rusage usage;
  if (pid < 0 || wait4(pid, &status, 0, &usage) < 0) return 1;
  if (usage.ru_maxrss > *peak) *peak = usage.ru_maxrss;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
}

int main(void) {
  static char line[65536];
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
  posix_spawn_file_actions_adddup2(&actions, 0, 1);
  while (fgets(line, sizeof line, stdin) != NULL) {
    char *words[WORDS];
    int count = 0, copies = 0;
    char manner = ';';
    line[strcspn(line, "\n")] = '\0';
    for (char *word = strtok(line, "\t"); word != NULL && count < WORDS; word = strtok(NULL, "\t")) words[count++] = word;
    char **first = words;
    if (count > 1 && (strcmp(words[1], "@") == 0 || strcmp(words[1], "*") == 0)) {
      manner = words[1][0];
      copies = atoi(words[0]);
      first += 2;
      count -= 2;
    }
    struct timespec before, after;
    long peak = 0, failed = 0;
    clock_gettime(CLOCK_MONOTONIC, &before);
    if (manner == '*') {
      for (int i = 0; i < copies; i++) failed += reap(start(first, count, sequence++), &peak);
    } else if (manner == '@') {
      pid_t pids[256];
      for (int i = 0; i < copies && i < 256; i++) pids[i] = start(first, count, sequence++);
      for (int i = 0; i < copies && i < 256; i++) failed += reap(pids[i], &peak);
    } else {
      int begin = 0;
      for (int i = 0; i <= count; i++) {
        if (i < count && strcmp(first[i], ";") != 0) continue;
        failed += reap(start(first + begin, i - begin, sequence), &peak);
        begin = i + 1;
      }
      sequence++;
    }
    clock_gettime(CLOCK_MONOTONIC, &after);
    printf("%lld %ld %ld\n", (after.tv_sec - before.tv_sec) * 1000000000LL + (after.tv_nsec - before.tv_nsec), peak, failed);
    fflush(stdout);
  }
  return 0;
}
