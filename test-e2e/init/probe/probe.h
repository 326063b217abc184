/* The program that the end-to-end tests run inside containers: it says what a process there sees.
 *
 * Every argument is a verb, with an operand after "=" where it has one; each prints one line, a JSON array of the argument
 * and what was found. A call that fails is found as {"errno": "EACCES"}: seeing it refused is what many tests want. */
#ifndef PROBE_H
#define PROBE_H

#include <stdbool.h>
#include <stddef.h>

/* Output of JSON on standard output, buffered until a line is complete. */
void json_raw(const char *text);
void json_string(const char *text);
void json_bytes(const char *text, size_t length);
void json_number(long long number);
void json_unsigned(unsigned long long number);
void json_bool(bool value);
/* {"errno": NAME} of the errno as it is. */
void json_errno(void);
/* "ok" when result is not negative, the errno otherwise. */
void json_result(long long result);
void json_flush(void);

/* A verb prints one JSON value. The operand is NULL when there is none. */
struct verb {
  const char *name;
  void (*run)(char *operand);
};

extern const struct verb identity_verbs[];
extern const struct verb file_verbs[];
extern const struct verb process_verbs[];
extern const struct verb system_verbs[];

#endif
