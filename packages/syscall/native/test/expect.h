/* Counts what holds and what does not; main() ends with report_expectations(). */
#ifndef RUNLET_TEST_EXPECT_H
#define RUNLET_TEST_EXPECT_H

#include <stdio.h>

static unsigned passed, failed;

#define EXPECT(condition)                                                     \
  do {                                                                        \
    if (condition) {                                                          \
      passed++;                                                               \
    } else {                                                                  \
      failed++;                                                               \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
    }                                                                         \
  } while (0)

static inline int report_expectations(void) {
  printf("%u passed, %u failed\n", passed, failed);
  return failed != 0;
}

#endif
