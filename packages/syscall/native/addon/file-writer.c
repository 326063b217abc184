/* A thread that makes new files while JavaScript reads on in the archive that they come from. One producer, which owns the
 * writer and calls every function here from the same thread; files are made in the order in which they were pushed, and come
 * in batches, since a call and a wake-up for each would cost more than the file. A file that cannot be made stays at the head
 * of the queue and stalls it, until the producer resumes (which tries it again) or closes. */
#include "addon.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

/* The producer waits while more than this is queued. */
#define MAX_QUEUED_BYTES (16u << 20)
/* What a double says exactly. */
#define MAX_SAFE_INTEGER 9007199254740991.0

struct new_file {
  int dir_fd;
  const char *name;
  const uint8_t *bytes;
  size_t length;
  mode_t mode;
  /* -1 for the caller's own. */
  uid_t uid;
  gid_t gid;
  struct timespec time;
};

/* Followed by the names and contents that its files point to. */
struct batch {
  struct batch *next;
  /* Of all of it in memory, and of names and contents. */
  size_t capacity, length;
  size_t done, count;
  struct new_file files[];
};

struct writer {
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t worker_wakes, producer_wakes;
  struct batch *head, *tail;
  /* The memory of one that is done, for the next. */
  struct batch *spare;
  size_t queued_bytes;
  int64_t done;
  int error;
  bool is_worker_asleep, is_producer_asleep, is_closing, is_closed;
};

static int write_all(int fd, const uint8_t *bytes, size_t length) {
  while (length > 0) {
    int64_t written = RETRY(write(fd, bytes, length));
    if (written < 0) return -1;
    bytes += written;
    length -= (size_t)written;
  }
  return 0;
}

/* Whether a new file may have its permission bits from the start, while its owner is the caller and its content on the way:
 * nobody gets a descriptor that the finished file would not give. So its group, which may be another's until it is set, can do
 * no more than everybody; and nobody else can have written to what becomes set-user-ID. */
static bool is_harmless_mode(mode_t mode) {
  return (mode & 07000) == 0 && ((mode >> 3) & 07 & ~mode) == 0;
}

struct caller {
  uid_t uid;
  gid_t gid;
};

/* Whether a new file has its owner and mode without their being set: most files of an archive that root unpacks do. An id that
 * the user namespace does not have looks like another one, but not like the caller's. */
static bool has_owner_and_mode(int fd, const struct new_file *file, const struct caller *caller) {
  bool is_any_user = file->uid == (uid_t)-1, is_any_group = file->gid == (gid_t)-1;
  if ((!is_any_user && file->uid != caller->uid) || (!is_any_group && file->gid != caller->gid)) return false;
  struct stat stat;
  return syscall(SYS_fstat, fd, &stat) == 0 && (stat.st_mode & 07777) == file->mode &&
         (is_any_user || stat.st_uid == file->uid) && (is_any_group || stat.st_gid == file->gid);
}

static int set_owner_and_mode(int fd, const struct new_file *file, const struct caller *caller) {
  if (has_owner_and_mode(fd, file, caller)) return 0;
  bool has_owner = file->uid != (uid_t)-1 || file->gid != (gid_t)-1;
  /* Owner before mode: a change of owner clears set-user-ID. */
  if (has_owner && fchown(fd, file->uid, file->gid) < 0) return -1;
  return fchmod(fd, file->mode);
}

/* Makes a file that must not exist, with content, owner, mode and times; 0 or -errno, and then there is no file. */
static int create_file(const struct new_file *file, const struct caller *caller) {
  mode_t mode = is_harmless_mode(file->mode) ? file->mode : 0600;
  int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  CLEANUP_FD int fd = (int)RETRY(openat(file->dir_fd, file->name, flags, mode));
  if (fd < 0) return -errno;
  struct timespec times[2] = {file->time, file->time};
  /* Times last: writing changes them. */
  if (write_all(fd, file->bytes, file->length) == 0 && set_owner_and_mode(fd, file, caller) == 0 &&
      futimens(fd, times) == 0)
    return 0;
  int error = errno;
  unlinkat(file->dir_fd, file->name, 0);
  return -error;
}

/* Makes the files of a batch that are not made yet; 0 or -errno of the one at `done`. */
static int create_files(struct batch *batch) {
  struct caller caller = {geteuid(), getegid()};
  for (; batch->done < batch->count; batch->done++) {
    int result = create_file(&batch->files[batch->done], &caller);
    if (result < 0) return result;
  }
  return 0;
}

static void *work(void *argument) {
  struct writer *writer = argument;
  pthread_mutex_lock(&writer->mutex);
  while (!writer->is_closing) {
    struct batch *batch = writer->head;
    if (batch == NULL || writer->error != 0) {
      writer->is_worker_asleep = true;
      pthread_cond_wait(&writer->worker_wakes, &writer->mutex);
      writer->is_worker_asleep = false;
      continue;
    }
    pthread_mutex_unlock(&writer->mutex);
    size_t done_before = batch->done;
    int result = create_files(batch);
    pthread_mutex_lock(&writer->mutex);
    writer->done += (int64_t)(batch->done - done_before);
    writer->error = -result;
    if (result == 0) {
      writer->head = batch->next;
      if (writer->head == NULL) writer->tail = NULL;
      writer->queued_bytes -= batch->length;
      free(writer->spare);
      writer->spare = batch;
    }
    if (writer->is_producer_asleep && (writer->head == NULL || writer->error != 0 || writer->queued_bytes < MAX_QUEUED_BYTES / 2))
      pthread_cond_signal(&writer->producer_wakes);
  }
  pthread_mutex_unlock(&writer->mutex);
  return NULL;
}

static void wait_for_worker(struct writer *writer) {
  writer->is_producer_asleep = true;
  pthread_cond_wait(&writer->producer_wakes, &writer->mutex);
  writer->is_producer_asleep = false;
}

static void close_writer(struct writer *writer) {
  if (writer->is_closed) return;
  pthread_mutex_lock(&writer->mutex);
  writer->is_closing = true;
  pthread_cond_signal(&writer->worker_wakes);
  pthread_mutex_unlock(&writer->mutex);
  pthread_join(writer->thread, NULL);
  while (writer->head != NULL) {
    struct batch *batch = writer->head;
    writer->head = batch->next;
    free(batch);
  }
  free(writer->spare);
  writer->tail = writer->spare = NULL;
  writer->is_closed = true;
}

static void finalize_writer(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  struct writer *writer = data;
  close_writer(writer);
  pthread_cond_destroy(&writer->worker_wakes);
  pthread_cond_destroy(&writer->producer_wakes);
  pthread_mutex_destroy(&writer->mutex);
  free(writer);
}

static struct writer *arg_writer(struct args *args, size_t index) {
  void *writer = NULL;
  napi_valuetype type = napi_undefined;
  if (index < args->count) napi_typeof(args->env, args->values[index], &type);
  if (type != napi_external || napi_get_value_external(args->env, args->values[index], &writer) != napi_ok) {
    args->failed = true;
    return NULL;
  }
  return writer;
}

/* openFileWriter() -> writer or -errno */
static napi_value open_writer(napi_env env, napi_callback_info info) {
  (void)info;
  struct writer *writer = calloc(1, sizeof *writer);
  if (writer == NULL) return number_value(env, -ENOMEM);
  pthread_mutex_init(&writer->mutex, NULL);
  pthread_cond_init(&writer->worker_wakes, NULL);
  pthread_cond_init(&writer->producer_wakes, NULL);
  int error = pthread_create(&writer->thread, NULL, work, writer);
  napi_value value = NULL;
  if (error != 0) {
    free(writer);
    return number_value(env, -error);
  }
  if (napi_create_external(env, writer, finalize_writer, NULL, &value) == napi_ok) return value;
  finalize_writer(env, writer, NULL);
  return number_value(env, -ENOMEM);
}

/* What src/file-writer.ts puts down of each file, in this order. */
enum { DIR_FD, MODE, UID, GID, SECONDS, NANOSECONDS, NAME_LENGTH, CONTENT_LENGTH, FIELDS };

static bool is_within(double value, double minimum, double maximum) { return value >= minimum && value <= maximum; }

/* Reads one file of a batch, whose name with its NUL and content stand at `data`. */
static bool read_file(const double fields[FIELDS], const char *data, size_t available, struct new_file *file) {
  if (!is_within(fields[DIR_FD], INT32_MIN, INT32_MAX) || !is_within(fields[MODE], 0, 07777) ||
      !is_within(fields[UID], -1, UINT32_MAX) || !is_within(fields[GID], -1, UINT32_MAX) ||
      !is_within(fields[SECONDS], -MAX_SAFE_INTEGER, MAX_SAFE_INTEGER) || !is_within(fields[NANOSECONDS], 0, 999999999) ||
      !is_within(fields[NAME_LENGTH], 0, (double)available - 1) ||
      !is_within(fields[CONTENT_LENGTH], 0, (double)available - 1 - fields[NAME_LENGTH]))
    return false;
  size_t name_length = (size_t)fields[NAME_LENGTH];
  *file = (struct new_file){
      .dir_fd = (int)fields[DIR_FD],
      .name = data,
      .bytes = (const uint8_t *)data + name_length + 1,
      .length = (size_t)fields[CONTENT_LENGTH],
      .mode = (mode_t)fields[MODE],
      .uid = (uid_t)(int64_t)fields[UID],
      .gid = (gid_t)(int64_t)fields[GID],
      .time = {.tv_sec = (int64_t)fields[SECONDS], .tv_nsec = (long)fields[NANOSECONDS]},
  };
  return memchr(data, '\0', name_length + 1) == data + name_length;
}

/* Memory for a batch: that of the last one which is done if it fits, as pages of the kernel's cost as much as their filling;
 * NULL if there is none. */
static struct batch *new_batch(struct writer *writer, size_t capacity) {
  pthread_mutex_lock(&writer->mutex);
  struct batch *batch = writer->spare;
  writer->spare = NULL;
  pthread_mutex_unlock(&writer->mutex);
  if (batch != NULL && batch->capacity >= capacity && batch->capacity / 2 <= capacity) return batch;
  free(batch);
  batch = malloc(capacity);
  if (batch != NULL) batch->capacity = capacity;
  return batch;
}

/* pushFiles(writer, fields, data) -> 0, or 1 while the queue is stalled (the files are queued all the same), or -errno.
 * `fields` are the bytes of FIELDS doubles for each file; `data` is of each its name, a NUL and its content. Both are copied, the
 * descriptors are not: they stay open until a flush. */
static napi_value push_files(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  struct writer *writer = arg_writer(&args, 0);
  size_t fields_length, length;
  const uint8_t *fields = arg_bytes(&args, 1, &fields_length);
  const uint8_t *data = arg_bytes(&args, 2, &length);
  double numbers[FIELDS];
  size_t count = fields_length / sizeof numbers;
  if (args_failed(&args)) return NULL;
  if (writer->is_closed) return number_value(env, -EBADF);
  CLEANUP_FREE struct batch *batch = new_batch(writer, sizeof *batch + count * sizeof *batch->files + length);
  if (batch == NULL) return number_value(env, -ENOMEM);
  char *copy = (char *)(batch->files + count);
  if (length > 0) memcpy(copy, data, length);
  *batch = (struct batch){.capacity = batch->capacity, .length = length, .count = count};
  for (size_t at = 0, i = 0; i < count; i++) {
    struct new_file *file = &batch->files[i];
    memcpy(numbers, fields + i * sizeof numbers, sizeof numbers);
    if (!read_file(numbers, copy + at, length - at, file)) args.failed = true;
    if (args_failed(&args)) return NULL;
    at = (size_t)(file->bytes + file->length - (const uint8_t *)copy);
  }

  pthread_mutex_lock(&writer->mutex);
  while (writer->queued_bytes > MAX_QUEUED_BYTES && writer->error == 0) wait_for_worker(writer);
  if (writer->tail == NULL) writer->head = batch;
  else writer->tail->next = batch;
  writer->tail = batch;
  batch = NULL;
  writer->queued_bytes += length;
  int error = writer->error;
  if (writer->is_worker_asleep && error == 0) pthread_cond_signal(&writer->worker_wakes);
  pthread_mutex_unlock(&writer->mutex);
  return number_value(env, error == 0 ? 0 : 1);
}

/* flushFiles(writer) -> [0 or -errno of the file at the head, files made since the writer was opened] */
static napi_value flush_files(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  struct writer *writer = arg_writer(&args, 0);
  if (args_failed(&args)) return NULL;
  pthread_mutex_lock(&writer->mutex);
  while (!writer->is_closed && writer->head != NULL && writer->error == 0) wait_for_worker(writer);
  int64_t numbers[] = {-writer->error, writer->done};
  pthread_mutex_unlock(&writer->mutex);
  return array_value(env, numbers, 2);
}

/* resumeFiles(writer): tries the file at the head again */
static napi_value resume_files(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  struct writer *writer = arg_writer(&args, 0);
  if (args_failed(&args)) return NULL;
  pthread_mutex_lock(&writer->mutex);
  writer->error = 0;
  pthread_cond_signal(&writer->worker_wakes);
  pthread_mutex_unlock(&writer->mutex);
  return number_value(env, 0);
}

/* closeFileWriter(writer): ends the thread after the batch it is at; what is queued behind is dropped */
static napi_value close_file_writer(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  struct writer *writer = arg_writer(&args, 0);
  if (args_failed(&args)) return NULL;
  close_writer(writer);
  return number_value(env, 0);
}

const struct export_entry writer_exports[] = {
    {"openFileWriter", open_writer},
    {"pushFiles", push_files},
    {"flushFiles", flush_files},
    {"resumeFiles", resume_files},
    {"closeFileWriter", close_file_writer},
    {0},
};
