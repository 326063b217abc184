/* A thread that makes new files while JavaScript reads on in the archive that they come from. One producer, which owns the
 * writer and calls every function here from the same thread; jobs are carried out in order. A job that fails stays at the
 * head of the queue and stalls it, until the producer resumes (which tries it again) or closes. */
#include "file.h"

#include <pthread.h>
#include <string.h>

/* The producer waits while more than this is queued. */
#define MAX_QUEUED_BYTES (16u << 20)

struct job {
  struct job *next;
  int dir_fd;
  struct new_file file;
  /* Name with its NUL, then the content. */
  char data[];
};

struct writer {
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t worker_wakes, producer_wakes;
  struct job *head, *tail;
  size_t queued_bytes;
  int64_t done;
  int error;
  bool is_worker_asleep, is_producer_asleep, is_closing, is_closed;
};

static void *work(void *argument) {
  struct writer *writer = argument;
  pthread_mutex_lock(&writer->mutex);
  while (!writer->is_closing) {
    struct job *job = writer->head;
    if (job == NULL || writer->error != 0) {
      writer->is_worker_asleep = true;
      pthread_cond_wait(&writer->worker_wakes, &writer->mutex);
      writer->is_worker_asleep = false;
      continue;
    }
    pthread_mutex_unlock(&writer->mutex);
    int result = create_file(job->dir_fd, job->data, &job->file);
    pthread_mutex_lock(&writer->mutex);
    if (result < 0) {
      writer->error = -result;
    } else {
      writer->head = job->next;
      if (writer->head == NULL) writer->tail = NULL;
      writer->queued_bytes -= job->file.length;
      writer->done++;
    }
    if (writer->is_producer_asleep && (writer->head == NULL || writer->error != 0 || writer->queued_bytes < MAX_QUEUED_BYTES / 2))
      pthread_cond_signal(&writer->producer_wakes);
    if (result >= 0) {
      pthread_mutex_unlock(&writer->mutex);
      free(job);
      pthread_mutex_lock(&writer->mutex);
    }
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
    struct job *job = writer->head;
    writer->head = job->next;
    free(job);
  }
  writer->tail = NULL;
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
napi_value file_open_writer(napi_env env, napi_callback_info info) {
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

/* pushFile(writer, dirFd, name, bytes, mode, uid, gid, seconds, nanoseconds) -> 0, or 1 while the queue is stalled (the
 * job is queued all the same), or -errno. The bytes are copied, the descriptor is not: it stays open until a flush. */
napi_value file_push(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  struct writer *writer = arg_writer(&args, 0);
  int dir_fd = arg_int(&args, 1);
  CLEANUP_FREE char *name = arg_text(&args, 2);
  struct new_file file;
  arg_new_file(&args, 3, &file);
  if (name == NULL) args.failed = true;
  if (args_failed(&args)) return NULL;
  if (writer->is_closed) return number_value(env, -EBADF);
  size_t name_size = strlen(name) + 1;
  struct job *job = malloc(sizeof *job + name_size + file.length);
  if (job == NULL) return number_value(env, -ENOMEM);
  job->next = NULL;
  job->dir_fd = dir_fd;
  job->file = file;
  memcpy(job->data, name, name_size);
  if (file.length > 0) memcpy(job->data + name_size, file.bytes, file.length);
  job->file.bytes = (uint8_t *)job->data + name_size;

  pthread_mutex_lock(&writer->mutex);
  while (writer->queued_bytes > MAX_QUEUED_BYTES && writer->error == 0) wait_for_worker(writer);
  if (writer->tail == NULL) writer->head = job;
  else writer->tail->next = job;
  writer->tail = job;
  writer->queued_bytes += file.length;
  int error = writer->error;
  if (writer->is_worker_asleep && error == 0) pthread_cond_signal(&writer->worker_wakes);
  pthread_mutex_unlock(&writer->mutex);
  return number_value(env, error == 0 ? 0 : 1);
}

/* flushFiles(writer) -> [0 or -errno of the job at the head, jobs done since the writer was opened] */
napi_value file_flush(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  struct writer *writer = arg_writer(&args, 0);
  if (args_failed(&args)) return NULL;
  pthread_mutex_lock(&writer->mutex);
  while (!writer->is_closed && writer->head != NULL && writer->error == 0) wait_for_worker(writer);
  int64_t numbers[] = {-writer->error, writer->done};
  pthread_mutex_unlock(&writer->mutex);
  return array_value(env, numbers, 2);
}

/* resumeFiles(writer): tries the job at the head again */
napi_value file_resume(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  struct writer *writer = arg_writer(&args, 0);
  if (args_failed(&args)) return NULL;
  pthread_mutex_lock(&writer->mutex);
  writer->error = 0;
  pthread_cond_signal(&writer->worker_wakes);
  pthread_mutex_unlock(&writer->mutex);
  return number_value(env, 0);
}

/* closeFileWriter(writer): ends the thread after the job it is at; what is queued behind is dropped */
napi_value file_close_writer(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  struct writer *writer = arg_writer(&args, 0);
  if (args_failed(&args)) return NULL;
  close_writer(writer);
  return number_value(env, 0);
}
