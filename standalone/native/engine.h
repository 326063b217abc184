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

/* A module of the program as bytecode, by distances from `program`, since addresses would make the executable another one
 * than that with an image. */
struct program_module {
  uint64_t name, start, end;
};

/* What is linked in of the program, from a page's start to a page's end. An image that has been loaded is no longer here. */
extern const struct program {
  enum program_kind {
    /* Its modules: what the engine lacks, the entry, and the others; the last one is zeros. */
    PROGRAM_MODULES = 1,
    /* The same, to make an image of. */
    PROGRAM_TO_BE_IMAGE = 2,
    /* An image; see image.c. */
    PROGRAM_IMAGE = 3,
  } kind;
  struct program_module modules[];
} program;
extern const uint8_t program_end[];

/* Throws the TypeError of a wrong argument. */
JSValue wrong_type(JSContext *ctx);

/* The engine's memory; memory_open() once, before the first use. All of it lies between `start` and `end`, or where there is
 * room then; with `is_whole` nothing may lie elsewhere, and what is freed is zeros. */
void memory_open(uint8_t *start, uint8_t *end, bool is_whole);
extern const JSMallocFunctions memory_functions;
/* The end of what has been used. */
uint8_t *memory_used(void);

/* The image: the engine's memory when all modules but the entry have run, made when the executable is built. */

/* Whether one is being made: the program may not ask anything of the machine that it runs on. */
extern bool image_is_made;
/* Ends the process, which says that it has. */
JSValue image_refusal(JSContext *ctx, const char *function);
/* The memory for an image that is to be made. */
void image_begin(void);
_Noreturn void image_is_too_large(void);
/* Writes it to a file. `entry` is what is left to be run. */
int image_save(const char *path, JSContext *ctx, JSValue entry);
/* Makes the image that is linked in the engine's memory. Returns the entry. */
JSValue image_load(JSContext **ctx);

/* A part of C's state that goes with the engine's memory. */
struct image_part {
  void *start;
  size_t length;
};
extern const struct image_part memory_parts[], napi_parts[];
/* Before an image is made: the environment forgets what lies elsewhere. */
void napi_settle(void);

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
/* Runs what promises have come to. */
void run_jobs(JSContext *ctx);
/* Dies of a rejection that nobody has handled. */
void check_rejections(JSContext *ctx);
/* Calls a function for the loop: frees the result, and dies of an exception. */
void call_back(JSContext *ctx, JSValueConst function, int count, JSValueConst *arguments);

/* The exports of the addon. */
JSValue addon_exports(JSContext *ctx);

#endif
