/* The standalone executable: QuickJS, the addon's functions, and what of a runtime the command needs. Its own functions keep
 * the addon's conventions: plain values in, a value >= 0 or -errno out, a TypeError for wrong types, no policy. */
#ifndef RUNLET_ENGINE_H
#define RUNLET_ENGINE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <quickjs.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One function of the module "runlet:system"; each source file has a table that ends with an empty entry. */
struct binding {
  const char *name;
  JSCFunction *function;
  uint8_t length;
};
extern const struct binding main_bindings[], loop_bindings[], file_bindings[], text_bindings[],
    host_bindings[], spawn_bindings[];

/* The module of these names. */
JSModuleDef *system_module(JSContext *ctx, const char *name);

/* A module of the program as bytecode; the last one has no name. */
struct program_module {
  const char *name;
  const uint8_t *start, *end;
};
extern const struct program_module program_modules[];

/* Throws the TypeError of a wrong argument. */
JSValue wrong_type(JSContext *ctx);

/* The engine's memory; memory_open() once, before the first use. */
void memory_open(void);
extern const JSMallocFunctions memory_functions;

/* The loop: what waits for descriptors, timers, signals and other threads, on JavaScript's own thread. */

/* Once, before all else of it. */
void loop_open(void);
/* Runs until nothing keeps the program alive. */
void loop_run(JSContext *ctx);
/* Calls `run(data)` on JavaScript's thread; from any thread. Nothing is kept alive by it. */
void loop_post(void (*run)(void *data), void *data);
/* What is not over keeps the program alive. JavaScript's thread only. */
void loop_ref(void);
void loop_unref(void);
/* Calls `ready(data, revents)` whenever poll(2) finds one of `events` until loop_unwatch(). It keeps the program alive.
 * Returns a number > 0, or -errno. */
int loop_watch(int fd, short events, void (*ready)(void *data, short revents), void *data);
void loop_unwatch(int watch);
/* 0, or -errno of epoll_ctl(2): EPERM for a file that is always ready, which poll(2) takes for one to wait for. */
int loop_can_watch(int fd);

/* Prints what nobody has caught and ends the process. */
_Noreturn void die_of_exception(JSContext *ctx);
/* Dies of a rejection that nobody has handled. */
void check_rejections(JSContext *ctx);
/* Calls a function for the loop: frees the result, and dies of an exception. */
void call_back(JSContext *ctx, JSValueConst function, int count, JSValueConst *arguments);

/* The exports of the addon. */
JSValue addon_exports(JSContext *ctx);

#endif
