/* What the programs that run containers by themselves share: for every line on standard input they run one, and answer with
 * the nanoseconds that took. */
#ifndef RUNLET_BENCH_ROUNDS_H
#define RUNLET_BENCH_ROUNDS_H

#include <stdio.h>
#include <time.h>

static inline void answer_rounds(void (*run)(void)) {
  char line[64];
  while (fgets(line, sizeof line, stdin) != NULL) {
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    run();
    clock_gettime(CLOCK_MONOTONIC, &after);
    printf("%lld\n", (after.tv_sec - before.tv_sec) * 1000000000LL + (after.tv_nsec - before.tv_nsec));
    fflush(stdout);
  }
}

#endif
