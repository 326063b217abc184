/* Calls on the host's own files by their paths, of control groups and of the state: many at once, since a call from JavaScript
 * takes longer than what it asks of the kernel. Never anything in a root file system. */
#include "addon.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

/* An array of texts. */
struct texts {
  struct args *args;
  napi_value array;
  uint32_t count;
};

/* One of them, NUL-terminated: most fit in here. */
struct text {
  char *bytes;
  char *allocated;
  char room[PATH_MAX];
};

static struct texts arg_texts(struct args *args, size_t index) {
  struct texts texts = {.args = args};
  bool is_array = false;
  if (index < args->count) napi_is_array(args->env, args->values[index], &is_array);
  if (is_array) texts.array = args->values[index];
  if (!is_array || napi_get_array_length(args->env, texts.array, &texts.count) != napi_ok) args->failed = true;
  return texts;
}

static void free_text(struct text *text) { free(text->allocated); }
#define TEXT(name) struct text name __attribute__((cleanup(free_text))); name.allocated = NULL

/* 0 | -errno: EINVAL for what is no text, or has a NUL inside. */
static int read_text_at(const struct texts *texts, uint32_t index, struct text *text) {
  napi_env env = texts->args->env;
  napi_value element;
  size_t length = 0;
  text->bytes = text->room;
  if (napi_get_element(env, texts->array, index, &element) != napi_ok ||
      napi_get_value_string_utf8(env, element, text->room, sizeof text->room, &length) != napi_ok)
    return -EINVAL;
  if (length + 4 >= sizeof text->room) {
    /* It may be longer. */
    free(text->allocated);
    napi_get_value_string_utf8(env, element, NULL, 0, &length);
    text->bytes = text->allocated = malloc(length + 1);
    if (!text->allocated) return -ENOMEM;
    napi_get_value_string_utf8(env, element, text->allocated, length + 1, &length);
  }
  return strlen(text->bytes) == length ? 0 : -EINVAL;
}

/* `result` of a call that sets errno: itself, or -errno. */
static int64_t or_error(int64_t result) { return result < 0 ? -(int64_t)errno : result; }

/* makeDirectories(paths, mode): how many have been made, up to the first that cannot be */
static napi_value make_directories(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  struct texts paths = arg_texts(&args, 0);
  mode_t mode = (mode_t)arg_int(&args, 1);
  if (args_failed(&args)) return NULL;
  TEXT(path);
  uint32_t made = 0;
  while (made < paths.count && read_text_at(&paths, made, &path) == 0 && mkdir(path.bytes, mode) == 0) made++;
  return number_value(env, made);
}

/* removeDirectories(paths): 0 for each that has been removed, -errno for the others | -errno */
static napi_value remove_directories(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  struct texts paths = arg_texts(&args, 0);
  if (args_failed(&args)) return NULL;
  TEXT(path);
  int64_t *results CLEANUP_FREE = calloc(paths.count + 1, sizeof *results);
  if (!results) return number_value(env, -ENOMEM);
  for (uint32_t i = 0; i < paths.count; i++) {
    results[i] = read_text_at(&paths, i, &path);
    if (results[i] == 0) results[i] = or_error(rmdir(path.bytes));
  }
  return array_value(env, results, paths.count);
}

/* openFiles(paths, flags): a descriptor for each, close-on-exec | -errno of one, and none is open */
static napi_value open_files(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  struct texts paths = arg_texts(&args, 0);
  int flags = arg_int(&args, 1) | O_CLOEXEC;
  if (args_failed(&args)) return NULL;
  TEXT(path);
  int64_t *fds CLEANUP_FREE = calloc(paths.count + 1, sizeof *fds);
  if (!fds) return number_value(env, -ENOMEM);
  for (uint32_t i = 0; i < paths.count; i++) {
    int64_t fd = read_text_at(&paths, i, &path);
    if (fd == 0) fd = or_error(RETRY(open(path.bytes, flags)));
    fds[i] = fd;
    if (fd >= 0) continue;
    while (i > 0) close((int)fds[--i]);
    return number_value(env, fd);
  }
  return array_value(env, fds, paths.count);
}

/* closeFiles(fds) */
static napi_value close_files(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  size_t count = 0;
  int32_t *fds CLEANUP_FREE = arg_ints(&args, 0, &count);
  if (args_failed(&args)) return NULL;
  for (size_t i = 0; i < count; i++) close(fds[i]);
  return number_value(env, 0);
}

struct content {
  char *bytes;
  size_t length;
};

static void free_content(struct content *content) { free(content->bytes); }

/* To the end, which is where nothing comes any more: the kernel may give less at once than there is. */
static int read_whole(int fd, struct content *content) {
  for (size_t size = 0;;) {
    if (content->length == size) {
      char *larger = realloc(content->bytes, size = size ? size * 2 : PATH_MAX);
      if (!larger) return -ENOMEM;
      content->bytes = larger;
    }
    ssize_t count = RETRY(read(fd, content->bytes + content->length, size - content->length));
    if (count <= 0) return count < 0 ? -errno : 0;
    content->length += (size_t)count;
  }
}

/* readText(path): its content | -errno of open(2) | [errno] of read(2) */
static napi_value read_text(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  CLEANUP_FREE char *path = arg_text(&args, 0);
  if (args_failed(&args)) return NULL;
  struct content content __attribute__((cleanup(free_content))) = {0};
  int fd CLEANUP_FD = (int)RETRY(open(path, O_RDONLY | O_CLOEXEC));
  if (fd < 0) return number_value(env, -errno);
  int status = read_whole(fd, &content);
  if (status < 0) return array_value(env, (int64_t[]){-status}, 1);
  return text_value(env, content.bytes, content.length);
}

/* writeValues(path, values): each with one write(2), to a file that is there. 0 | -errno of open(2) | [how many were written,
 * errno of write(2)] */
static napi_value write_values(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  CLEANUP_FREE char *path = arg_text(&args, 0);
  struct texts values = arg_texts(&args, 1);
  if (args_failed(&args)) return NULL;
  TEXT(value);
  int fd CLEANUP_FD = (int)RETRY(open(path, O_WRONLY | O_CLOEXEC));
  if (fd < 0) return number_value(env, -errno);
  for (uint32_t i = 0; i < values.count; i++) {
    int64_t result = read_text_at(&values, i, &value);
    if (result == 0) result = or_error(RETRY(write(fd, value.bytes, strlen(value.bytes))));
    if (result < 0) return array_value(env, (int64_t[]){i, -result}, 2);
  }
  return number_value(env, 0);
}

const struct export_entry path_exports[] = {
    {"makeDirectories", make_directories},
    {"removeDirectories", remove_directories},
    {"openFiles", open_files},
    {"closeFiles", close_files},
    {"readText", read_text},
    {"writeValues", write_values},
    {0},
};
