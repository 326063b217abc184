/* The image: what the engine's memory holds when every module of the program but its entry has run. It is made when the
 * executable is built, and a start has nothing to read, link or run but the entry.
 *
 * The memory is full of addresses of its own and has a fixed place. Of the executable it has some hundred addresses, of C
 * functions and their tables: they are kept as distances from its start, which differs in every process, and made addresses
 * again. Others it must not have. An image has nothing of the machine that it was made on either: functions that would
 * tell it refuse, and scripts/build-engine.js compares two images. */
#include "engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
  /* What is freed while an image is made is not used again. */
  MAKING_BYTES = 24 << 20,
  REGION_BYTES = 16 << 20,
  STATE_BYTES = 8192,
};

/* Far from where a kernel maps anything of its own choice, with 39 bits of addresses too. */
#define REGION_ADDRESS UINT64_C(0x1000000000)

/* The image's first bytes. */
struct image {
  enum program_kind kind;
  uint32_t fixup_count;
  /* Where `program` lies in the executable that the image was made with. */
  uint64_t program_offset;
  JSContext *ctx;
  JSValue entry;
  /* The words that are distances from the executable's start, by their numbers. */
  const uint32_t *fixups;
  uint8_t state[STATE_BYTES];
};

extern const uint8_t __ehdr_start[], _end[];

static const struct image_part *const tables[] = {memory_parts, napi_parts};
#define EACH_PART(part)                                                    \
  for (size_t table = 0; table < sizeof tables / sizeof *tables; table++) \
    for (const struct image_part *part = tables[table]; part->start; part++)

bool image_is_made;

static struct image *image_at_its_place(void) { return (struct image *)(uintptr_t)REGION_ADDRESS; }
static uint64_t distance(const void *address) { return (uint64_t)((uintptr_t)address - (uintptr_t)__ehdr_start); }

static _Noreturn void fail(const char *what) {
  dprintf(STDERR_FILENO, "runlet: the image of the program's memory: %s\n", what);
  _exit(1);
}

/* At once: a module could catch what is thrown, and go on with something that is this process's. */
JSValue image_refusal(JSContext *ctx, const char *function) {
  JS_ThrowInternalError(ctx, "%s is called when a module is imported: an image must not have its result", function);
  die_of_exception(ctx);
}

static uint8_t *map_region(size_t length) {
  struct image *wanted = image_at_its_place();
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
  if (mmap(wanted, length, PROT_READ | PROT_WRITE, flags, -1, 0) != wanted)
    fail(errno == EEXIST ? "its addresses are taken" : strerror(errno));
  return (uint8_t *)wanted;
}

void image_is_too_large(void) { fail("is too large"); }

void image_begin(void) {
  uint8_t *region = map_region(MAKING_BYTES);
  image_is_made = true;
  memory_open(region + sizeof(struct image), region + MAKING_BYTES, true);
}

/* Makes distances of addresses. Returns where their words' numbers stand, after all else. */
static uint32_t *unfix(struct image *image, const uint8_t *used) {
  uint64_t *word = (uint64_t *)image, *end = (uint64_t *)(uintptr_t)used;
  uint32_t *fixups = (uint32_t *)end, *fixup = fixups;
  for (; word < end; word++) {
    if (*word < (uintptr_t)__ehdr_start) continue;
    uint64_t offset = *word - (uintptr_t)__ehdr_start;
    if (offset >= distance(_end)) continue;
    if (offset >= distance(program_end)) fail("an address of a variable that is no part of it");
    if (offset >= distance(&program)) fail("an address of the program as it is linked");
    *word = offset;
    *fixup++ = (uint32_t)(word - (uint64_t *)image);
  }
  image->fixup_count = (uint32_t)(fixup - fixups);
  return fixups;
}

int image_save(const char *path, JSContext *ctx, JSValue entry) {
  JSRuntime *runtime = JS_GetRuntime(ctx);
  JS_RunGC(runtime);
  /* Of the stack nothing is kept. */
  JS_SetMaxStackSize(runtime, 0);
  JS_UpdateStackTop(runtime);
  napi_settle();
  struct image *image = image_at_its_place();
  const uint8_t *used = memory_used();
  *image = (struct image){.kind = PROGRAM_IMAGE, .program_offset = distance(&program), .ctx = ctx, .entry = entry};
  uint8_t *state = image->state;
  EACH_PART(part) {
    if (state + part->length > image->state + sizeof image->state) fail("more state than room");
    memcpy(state, part->start, part->length);
    state += part->length;
  }
  uint32_t *fixups = unfix(image, used);
  image->fixups = fixups;
  size_t length = (size_t)((uint8_t *)(fixups + image->fixup_count) - (uint8_t *)image);
  FILE *file = fopen(path, "wb");
  if (!file || fwrite(image, 1, length, file) != length || fclose(file) != 0) fail("cannot be written");
  return 0;
}

JSValue image_load(JSContext **ctx) {
  struct image *image = image_at_its_place();
  uint64_t length = (uint64_t)(program_end - (const uint8_t *)&program);
  void *linked = (void *)(uintptr_t)&program;
  /* First, since what is moved takes the place of whatever is there. */
  map_region(REGION_BYTES);
  if (mremap(linked, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, image) != image) fail(strerror(errno));
  if (image->program_offset != distance(&program)) fail("made with another executable");
  uint64_t *words = (uint64_t *)image;
  for (uint32_t i = 0; i < image->fixup_count; i++) words[image->fixups[i]] += (uintptr_t)__ehdr_start;
  memory_open((uint8_t *)image, (uint8_t *)image + REGION_BYTES, false);
  const uint8_t *state = image->state;
  EACH_PART(part) {
    memcpy(part->start, state, part->length);
    state += part->length;
  }
  *ctx = image->ctx;
  return image->entry;
}
