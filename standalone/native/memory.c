/* The engine's memory: a command makes tens of thousands of small objects and ends. They come one after the other from a region,
 * and what is freed is kept for the next of its size. What is large, and what the region has no room for, is malloc's; where
 * an image is made, all is the region's. */
#include "engine.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
  /* Sizes are rounded up to multiples of a step. */
  STEP = 16,
  LARGEST = 1024,
  HEADER = 8,
};

struct free_block {
  struct free_block *next;
};

static uint8_t *region, *region_next, *region_end;
static bool region_is_whole;
static struct free_block *free_blocks[LARGEST / STEP + 1];

const struct image_part memory_parts[] = {
    {&region_next, sizeof region_next}, {free_blocks, sizeof free_blocks}, {NULL, 0}};

static bool is_of_region(const void *block) { return (const uint8_t *)block >= region && (const uint8_t *)block < region_end; }
/* Before each block of the region: its size, the header not counted, in steps. */
static uint64_t *steps_of(const void *block) { return (uint64_t *)((uint8_t *)(uintptr_t)block - HEADER); }

void memory_open(uint8_t *start, uint8_t *end, bool is_whole) {
  region = start;
  region_next = start + HEADER;
  region_end = end;
  region_is_whole = is_whole;
}

uint8_t *memory_used(void) { return region_next; }

static size_t usable_size(const void *block) {
  if (!block) return 0;
  return is_of_region(block) ? *steps_of(block) * STEP + STEP - HEADER : malloc_usable_size((void *)(uintptr_t)block);
}

static void *count(JSMallocState *state, void *block, size_t size) {
  if (block) {
    state->malloc_count++;
    state->malloc_size += size;
  }
  return block;
}

static void *allocate_elsewhere(JSMallocState *state, size_t size) {
  void *block = malloc(size);
  return count(state, block, malloc_usable_size(block));
}

/* Blocks lie at multiples of a step, and end HEADER bytes before one. */
static void *allocate(JSMallocState *state, size_t size) {
  if (size > LARGEST - HEADER && !region_is_whole) return allocate_elsewhere(state, size);
  size_t steps = size <= STEP - HEADER ? 0 : (size - (STEP - HEADER) + STEP - 1) / STEP;
  size_t whole = (steps + 1) * STEP;
  struct free_block *block = steps <= LARGEST / STEP ? free_blocks[steps] : NULL;
  if (block) {
    free_blocks[steps] = block->next;
    return count(state, block, whole - HEADER);
  }
  if (whole > (size_t)(region_end - region_next)) {
    if (region_is_whole) image_is_too_large();
    return allocate_elsewhere(state, size);
  }
  void *made = region_next + HEADER;
  region_next += whole;
  *steps_of(made) = steps;
  return count(state, made, whole - HEADER);
}

static void release(JSMallocState *state, void *block) {
  if (!block) return;
  state->malloc_count--;
  state->malloc_size -= usable_size(block);
  if (!is_of_region(block)) {
    free(block);
    return;
  }
  uint64_t steps = *steps_of(block);
  if (region_is_whole) memset(block, 0, usable_size(block));
  if (steps > LARGEST / STEP) return;
  struct free_block **list = &free_blocks[steps];
  *(struct free_block *)block = (struct free_block){.next = *list};
  *list = block;
}

static void *reallocate(JSMallocState *state, void *block, size_t size) {
  if (!block) return size ? allocate(state, size) : NULL;
  if (size == 0) {
    release(state, block);
    return NULL;
  }
  size_t before = usable_size(block);
  if (is_of_region(block)) {
    if (size <= before) return block;
    void *other = allocate(state, size);
    if (!other) return NULL;
    memcpy(other, block, before);
    release(state, block);
    return other;
  }
  void *other = realloc(block, size);
  if (other) state->malloc_size += malloc_usable_size(other) - before;
  return other;
}

const JSMallocFunctions memory_functions = {allocate, release, reallocate, usable_size};
