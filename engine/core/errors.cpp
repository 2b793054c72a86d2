// What failed tasks leave behind, and the tables of names and push sites.
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "engine.hpp"
#include "scheduler.hpp"

namespace weft {

namespace {

void (*exception_release)(void*) = nullptr;

struct FirstError {
  std::mutex lock;
  ErrorRecord* record = nullptr;
};
FirstError* first_error = new FirstError;

}  // namespace

void error_retain(ErrorRecord* record) { record->refs.fetch_add(1, std::memory_order_relaxed); }

void error_release(ErrorRecord* record) {
  if (record->refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  if (record->exception && exception_release) exception_release(record->exception);
  delete record;
}

void set_exception_release(void (*release)(void*)) { exception_release = release; }

void set_error(Var* var, ErrorRecord* record) {
  if (record) error_retain(record);
  ErrorRecord* old = var->error.exchange(record, std::memory_order_acq_rel);
  if (old) error_release(old);
}

void clear_error(Var* var) { set_error(var, nullptr); }

ErrorRecord* take_first_error() {
  std::lock_guard<std::mutex> guard(first_error->lock);
  ErrorRecord* record = first_error->record;
  first_error->record = nullptr;
  return record;
}

void forget_first_error() {
  ErrorRecord* record = take_first_error();
  if (record) error_release(record);
}

namespace {

void note_first_error(ErrorRecord* record) {
  std::lock_guard<std::mutex> guard(first_error->lock);
  if (first_error->record) return;
  error_retain(record);
  first_error->record = record;
}

// --- names --------------------------------------------------------------------------------------

struct Names {
  std::mutex lock;
  std::unordered_map<std::string, uint32_t> numbers;
  std::vector<std::unique_ptr<std::string>> texts;
};
Names& names() {
  static Names* table = new Names;
  return *table;
}

Names& sites() {
  static Names* table = new Names;
  return *table;
}

uint32_t intern(Names& table, const char* name) {
  std::lock_guard<std::mutex> guard(table.lock);
  auto found = table.numbers.find(name);
  if (found != table.numbers.end()) return found->second;
  table.texts.emplace_back(new std::string(name));
  uint32_t number = uint32_t(table.texts.size());
  table.numbers.emplace(name, number);
  return number;
}

const char* text_of(Names& table, uint32_t number, const char* otherwise) {
  std::lock_guard<std::mutex> guard(table.lock);
  return number && number <= table.texts.size() ? table.texts[number - 1]->c_str() : otherwise;
}

}  // namespace

uint32_t intern_name(const char* name) { return intern(names(), name); }
const char* name_of(uint32_t name) { return text_of(names(), name, "task"); }
uint32_t intern_site(const char* text) { return intern(sites(), text); }
const char* site_of(uint32_t site) { return text_of(sites(), site, "unknown line"); }

ErrorRecord* new_error(const TaskContext& context, uint32_t name, uint32_t site,
                       void (*describe)(void*, std::string*), void* argument) {
  ErrorRecord* record = new ErrorRecord;
  record->message = context.error[0] ? context.error : "the task failed";
  record->name = name;
  record->site = site;
  record->exception = context.exception;
  if (describe) describe(argument, &record->description);
  note_first_error(record);
  return record;
}

ErrorRecord* new_failure(const char* message, const char* description, uint32_t name, uint32_t site) {
  ErrorRecord* record = new ErrorRecord;
  record->message = message;
  record->description = description;
  record->name = name;
  record->site = site;
  note_first_error(record);
  return record;
}

void reset_errors_after_fork() { first_error = new FirstError; }

}  // namespace weft
