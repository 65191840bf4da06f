// Node-API binding of RocksDB for keyed state: packed reads and writes, snapshots, and scans that give saved chunks.
// One call carries a batch: crossing between JavaScript and C++ costs about as much as a read of a cached key.
// A handle that was closed stays an object; calls with it throw. The log of writes is off: a checkpoint is what counts.
#include <node_api.h>
#include <rocksdb/cache.h>
#include <rocksdb/compaction_filter.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_buffer_manager.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace {

// A value is: number of the snapshot after which it was written (u32), order of arrival (u32), cells (f64 each), texts.
constexpr size_t kHeader = 8;
constexpr uint32_t kNone = 0xffffffff;

uint32_t u32(const char* p) {
  uint32_t v;
  memcpy(&v, p, 4);
  return v;
}
double f64(const char* p) {
  double v;
  memcpy(&v, p, 8);
  return v;
}
template <typename T>
void put(std::string& out, T v) {
  out.append(reinterpret_cast<const char*>(&v), sizeof v);
}

// Where entries may wait for their result, their second cell is above 0 until it was given.
bool waits(const rocksdb::Slice& value) { return value.size() >= kHeader + 16 && f64(value.data() + kHeader + 8) > 0; }

// Entries of tables are forgotten a time after they were written, and those that are gone (no time) when no checkpoint can
// ask for them. What a snapshot may still need stays: the program moves both on only while there is none.
struct Forgetting : rocksdb::CompactionFilter {
  std::atomic<double> by{-INFINITY};
  std::atomic<uint32_t> goneBelow{0};
  std::atomic<bool> mayWait{false};
  bool Filter(int, const rocksdb::Slice& key, const rocksdb::Slice& value, std::string*, bool*) const override {
    if (key.size() == 0 || key[0] != 0 || value.size() < kHeader + 8) return false;
    double written = f64(value.data() + kHeader), until = by.load();
    // Nothing is forgotten yet, or ever: the first cell may be no time at all, but the least number that there is.
    bool over = until > -INFINITY && written <= until && !(mayWait.load() && waits(value));
    return over || (std::isnan(written) && u32(value.data()) < goneBelow.load());
  }
  const char* Name() const override { return "weir.forgetting"; }
};

struct Memory {
  std::shared_ptr<rocksdb::Cache> cache;
  std::shared_ptr<rocksdb::WriteBufferManager> writes;
};

// The filter outlives the database, which may still be rewriting files when it is closed.
struct Database {
  Forgetting forgetting;
  std::unique_ptr<rocksdb::DB> db;
};
using Shared = std::shared_ptr<Database>;

struct Snapshot {
  Shared of;
  const rocksdb::Snapshot* at;
  ~Snapshot() { of->db->ReleaseSnapshot(at); }
};

// What of the state a scan gives, and how its chunks begin.
struct Wanted {
  double watermark, end, forgottenBy, since, below;
  size_t prefix;
  bool ordered, livingOnly, hasTime, pairs, orWaiting;
};

// The iterator goes first: it reads below the bound, of the snapshot.
struct Scan {
  std::shared_ptr<Snapshot> snapshot;
  std::string prefix, upper, data;
  rocksdb::Slice bound;
  Wanted wanted;
  std::unique_ptr<rocksdb::Iterator> it;
};

template <typename T>
void drop(napi_env, void* data, void*) {
  delete static_cast<T*>(data);
}

bool failed(napi_env env, const rocksdb::Status& s) {
  if (s.ok()) return false;
  napi_throw_error(env, "ROCKSDB", s.ToString().c_str());
  return true;
}

struct Args {
  napi_env env;
  napi_value argv[9];
  bool closed = false;
  Args(napi_env e, napi_callback_info info) : env(e) {
    size_t n = 9;
    napi_get_cb_info(e, info, &n, argv, nullptr, nullptr);
  }
  template <typename T>
  T* held(int i) {
    void* p = nullptr;
    napi_get_value_external(env, argv[i], &p);
    auto* held = static_cast<std::shared_ptr<T>*>(p);
    if (held != nullptr && *held) return held->get();
    napi_throw_error(env, "ROCKSDB", "the database is closed");
    return nullptr;
  }
  template <typename T>
  std::shared_ptr<T> shared(int i) {
    return held<T>(i) == nullptr ? nullptr : *pointer<T>(i);
  }
  template <typename T>
  std::shared_ptr<T>* pointer(int i) {
    void* p = nullptr;
    napi_get_value_external(env, argv[i], &p);
    return static_cast<std::shared_ptr<T>*>(p);
  }
  double number(int i) {
    double v = 0;
    napi_get_value_double(env, argv[i], &v);
    return v;
  }
  bool flag(int i) {
    bool v = false;
    napi_get_value_bool(env, argv[i], &v);
    return v;
  }
  std::string text(int i) {
    size_t n = 0;
    napi_get_value_string_utf8(env, argv[i], nullptr, 0, &n);
    std::string s(n, '\0');
    napi_get_value_string_utf8(env, argv[i], s.data(), n + 1, &n);
    return s;
  }
  rocksdb::Slice bytes(int i) {
    void* p = nullptr;
    size_t n = 0;
    napi_get_buffer_info(env, argv[i], &p, &n);
    return {static_cast<char*>(p), n};
  }
  const int32_t* whole(int i) {
    void* p = nullptr;
    napi_get_typedarray_info(env, argv[i], nullptr, nullptr, &p, nullptr, nullptr);
    return static_cast<const int32_t*>(p);
  }
  template <typename T>
  napi_value give(std::shared_ptr<T> value) {
    napi_value out;
    auto* held = new std::shared_ptr<T>(std::move(value));
    napi_create_external(env, held, drop<std::shared_ptr<T>>, nullptr, &out);
    return out;
  }
  napi_value copy(const std::string& s) {
    napi_value out;
    napi_create_buffer_copy(env, s.size(), s.data(), nullptr, &out);
    return out;
  }
};

// memory(bytes of the block cache, bytes of write buffers): shared by the databases of a worker
napi_value MemoryOf(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto memory = std::make_shared<Memory>();
  memory->cache = rocksdb::NewLRUCache(static_cast<size_t>(args.number(0)), 2);
  memory->writes = std::make_shared<rocksdb::WriteBufferManager>(static_cast<size_t>(args.number(1)));
  return args.give(memory);
}

// open(folder, memory, bytes of one write buffer): the folder must be new
napi_value Open(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* memory = args.held<Memory>(1);
  if (memory == nullptr) return nullptr;
  auto database = std::make_shared<Database>();
  rocksdb::Options o;
  // The files go with the process: writing out what is in memory, at its end, would be for nothing.
  o.avoid_flush_during_shutdown = true;
  o.create_if_missing = true;
  o.error_if_exists = true;
  o.info_log_level = rocksdb::ERROR_LEVEL;
  o.keep_log_file_num = 1;
  o.write_buffer_manager = memory->writes;
  o.write_buffer_size = static_cast<size_t>(args.number(2));
  o.max_background_jobs = 2;
  o.allow_concurrent_memtable_write = false;
  o.enable_write_thread_adaptive_yield = false;
  o.compaction_filter = &database->forgetting;
  o.level_compaction_dynamic_level_bytes = true;
  // Most keys that are asked for are not in the newest writes: a filter is cheaper than a search there.
  o.memtable_prefix_bloom_size_ratio = 0.1;
  o.memtable_whole_key_filtering = true;
  // Young files are rewritten soon and are not worth packing.
  o.compression_per_level = {rocksdb::kNoCompression, rocksdb::kNoCompression, rocksdb::kLZ4Compression};
  o.compression = rocksdb::kLZ4Compression;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = memory->cache;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10, false));
  table.format_version = 5;
  table.cache_index_and_filter_blocks = true;
  // Counted as memory of the cache, and not looked up in it for each key.
  table.metadata_cache_options.unpartitioned_pinning = rocksdb::PinningTier::kAll;
  table.data_block_index_type = rocksdb::BlockBasedTableOptions::kDataBlockBinaryAndHash;
  o.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  rocksdb::DB* db = nullptr;
  if (failed(env, rocksdb::DB::Open(o, args.text(0), &db))) return nullptr;
  database->db.reset(db);
  return args.give(database);
}

// close(handle): what snapshots and scans still hold of it ends with them
template <typename T>
napi_value Close(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* held = args.pointer<T>(0);
  if (held != nullptr) held->reset();
  return nullptr;
}

// read(db, bytes of keys, where each begins and the last ends, keys) -> packed values; u32 length before each, 0xFFFFFFFF for none
napi_value Read(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* database = args.held<Database>(0);
  if (database == nullptr) return nullptr;
  const char* p = args.bytes(1).data();
  const auto* at = args.whole(2);
  auto n = static_cast<size_t>(args.number(3));
  std::vector<rocksdb::Slice> keys(n);
  for (size_t i = 0; i < n; i++) keys[i] = rocksdb::Slice(p + at[i], at[i + 1] - at[i]);
  std::vector<rocksdb::PinnableSlice> values(n);
  std::vector<rocksdb::Status> statuses(n);
  auto& db = *database->db;
  db.MultiGet({}, db.DefaultColumnFamily(), n, keys.data(), values.data(), statuses.data());
  std::string out;
  for (size_t i = 0; i < n; i++) {
    if (statuses[i].IsNotFound()) {
      put(out, kNone);
      continue;
    }
    if (failed(env, statuses[i])) return nullptr;
    put(out, static_cast<uint32_t>(values[i].size()));
    out.append(values[i].data(), values[i].size());
  }
  return args.copy(out);
}

// write(db, packed operations, bytes): u8 0 put or 1 delete, u32 length and key, u32 length and value of a put
napi_value Write(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* database = args.held<Database>(0);
  if (database == nullptr) return nullptr;
  const char* p = args.bytes(1).data();
  const char* end = p + static_cast<size_t>(args.number(2));
  rocksdb::WriteBatch batch(end - p);
  struct Operation {
    rocksdb::Slice key, value;
    bool deletes;
  };
  std::vector<Operation> operations;
  while (p < end) {
    Operation next{rocksdb::Slice(p + 5, u32(p + 1)), {}, *p == 1};
    p += 5 + next.key.size();
    if (!next.deletes) next.value = rocksdb::Slice(p + 4, u32(p));
    if (!next.deletes) p += 4 + next.value.size();
    operations.push_back(next);
  }
  // Neighbours go in one after another: their place in the list is still in the processor's cache. The last of a key counts.
  std::stable_sort(operations.begin(), operations.end(), [](auto& a, auto& b) { return a.key.compare(b.key) < 0; });
  for (const auto& [key, value, deletes] : operations) deletes ? batch.Delete(key) : batch.Put(key, value);
  rocksdb::WriteOptions options;
  options.disableWAL = true;
  failed(env, database->db->Write(options, &batch));
  return nullptr;
}

// The first key after all that begin so.
std::string after(std::string prefix) {
  while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xff) prefix.pop_back();
  if (!prefix.empty()) prefix.back()++;
  return prefix;
}

// remove(db, prefix): every key that begins so
napi_value Remove(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* database = args.held<Database>(0);
  if (database == nullptr) return nullptr;
  std::string from = args.bytes(1).ToString();
  rocksdb::WriteOptions options;
  options.disableWAL = true;
  auto& db = *database->db;
  failed(env, db.DeleteRange(options, db.DefaultColumnFamily(), from, after(from)));
  return nullptr;
}

// forget(db, time, snapshot, may wait): table entries may go that were written no later, or are gone since before that snapshot
napi_value Forget(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* database = args.held<Database>(0);
  if (database == nullptr) return nullptr;
  // Before the time: a file may be rewritten at any moment.
  database->forgetting.mayWait.store(args.flag(3));
  database->forgetting.by.store(args.number(1));
  database->forgetting.goneBelow.store(static_cast<uint32_t>(args.number(2)));
  return nullptr;
}

napi_value SnapshotOf(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto database = args.shared<Database>(0);
  if (!database) return nullptr;
  auto* at = database->db->GetSnapshot();
  return args.give(std::shared_ptr<Snapshot>(new Snapshot{database, at}));
}

// checkpoint(db, folder): hard links to the files of what is written so far
napi_value Checkpoint(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* database = args.held<Database>(0);
  if (database == nullptr) return nullptr;
  rocksdb::Checkpoint* made = nullptr;
  if (failed(env, rocksdb::Checkpoint::Create(database->db.get(), &made))) return nullptr;
  std::unique_ptr<rocksdb::Checkpoint> owned(made);
  failed(env, made->CreateCheckpoint(args.text(1)));
  return nullptr;
}

// property(db, name) -> number
napi_value Property(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* database = args.held<Database>(0);
  if (database == nullptr) return nullptr;
  uint64_t value = 0;
  database->db->GetIntProperty(args.text(1), &value);
  napi_value out;
  napi_create_double(env, static_cast<double>(value), &out);
  return out;
}

// scan(snapshot, prefix, first key, prefix of data or empty, numbers): an ordered scan goes over an index of keys
napi_value ScanOf(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto snapshot = args.shared<Snapshot>(0);
  if (!snapshot) return nullptr;
  auto scan = std::make_shared<Scan>();
  scan->snapshot = snapshot;
  scan->prefix = args.bytes(1).ToString();
  scan->data = args.bytes(3).ToString();
  scan->upper = after(scan->prefix);
  scan->bound = rocksdb::Slice(scan->upper);
  const auto* n = reinterpret_cast<const double*>(args.bytes(4).data());
  scan->wanted = {n[0], n[1], n[2], n[3], n[4], scan->prefix.size(), !scan->data.empty(), n[5] == 1, n[6] == 1, n[7] == 1,
                  n[8] == 1};
  rocksdb::ReadOptions options;
  options.snapshot = snapshot->at;
  options.fill_cache = false;
  options.iterate_upper_bound = &scan->bound;
  scan->it.reset(snapshot->of->db->NewIterator(options));
  scan->it->Seek(args.bytes(2));
  return args.give(scan);
}

bool isWanted(const Wanted& w, const rocksdb::Slice& value) {
  if (value.size() < kHeader) return false;
  if (u32(value.data()) < w.since || u32(value.data() + 4) >= w.below) return false;
  if (!w.hasTime || !w.livingOnly || value.size() < kHeader + 8) return true;
  double written = f64(value.data() + kHeader);
  return !std::isnan(written) && (!(written <= w.forgottenBy) || (w.orWaiting && waits(value)));
}

// An entry as it is saved; or, of pairs, key and value as they are, each behind its length.
void entry(const Wanted& w, const rocksdb::Slice& key, const rocksdb::Slice& value, std::string& out) {
  if (w.pairs) {
    put(out, static_cast<uint32_t>(key.size()));
    out.append(key.data(), key.size());
    put(out, static_cast<uint32_t>(value.size()));
    out.append(value.data(), value.size());
    return;
  }
  put(out, w.end);
  put(out, static_cast<uint32_t>(key.size()));
  out.append(key.data(), key.size());
  out.append(value.data() + kHeader, value.size() - kHeader);
}

// Entries in the order of arrival: a part of the index, then their values in one call.
uint32_t ordered(Scan& scan, size_t limit, std::string& out, rocksdb::Status& status) {
  constexpr size_t kPart = 256;
  uint32_t count = 0;
  auto& db = *scan.snapshot->of->db;
  rocksdb::ReadOptions options;
  options.snapshot = scan.snapshot->at;
  std::vector<std::string> names;
  while (scan.it->Valid() && out.size() < limit) {
    names.clear();
    for (; scan.it->Valid() && names.size() < kPart; scan.it->Next()) names.push_back(scan.data + scan.it->value().ToString());
    std::vector<rocksdb::Slice> keys(names.begin(), names.end());
    std::vector<rocksdb::PinnableSlice> values(keys.size());
    std::vector<rocksdb::Status> statuses(keys.size());
    db.MultiGet(options, db.DefaultColumnFamily(), keys.size(), keys.data(), values.data(), statuses.data());
    for (size_t i = 0; i < keys.size(); i++) {
      if (statuses[i].IsNotFound()) continue;
      if (!statuses[i].ok()) status = statuses[i];
      if (!statuses[i].ok() || !isWanted(scan.wanted, values[i])) continue;
      keys[i].remove_prefix(scan.data.size());
      entry(scan.wanted, keys[i], values[i], out);
      count++;
    }
  }
  return count;
}

// Few of many entries may have changed: so many are looked at in one call, about ten milliseconds.
constexpr uint32_t LOOKS = 4096;

uint32_t byKey(Scan& scan, size_t limit, std::string& out) {
  uint32_t count = 0;
  uint32_t looks = scan.wanted.since > 0 ? LOOKS : UINT32_MAX;
  for (; scan.it->Valid() && out.size() < limit && looks > 0; scan.it->Next(), looks--) {
    auto value = scan.it->value();
    if (!isWanted(scan.wanted, value)) continue;
    auto key = scan.it->key();
    key.remove_prefix(scan.wanted.prefix);
    entry(scan.wanted, key, value, out);
    count++;
  }
  return count;
}

// next(scan, bytes) -> a saved chunk of about so many bytes; undefined at the end
napi_value Next(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* scan = args.held<Scan>(0);
  if (scan == nullptr || !scan->it->Valid()) {
    if (scan != nullptr) failed(env, scan->it->status());
    return nullptr;
  }
  std::string out;
  put(out, scan->wanted.watermark);
  put(out, uint32_t{0});
  rocksdb::Status status;
  auto limit = static_cast<size_t>(args.number(1));
  uint32_t count = scan->wanted.ordered ? ordered(*scan, limit, out, status) : byKey(*scan, limit, out);
  if (failed(env, status) || failed(env, scan->it->status())) return nullptr;
  memcpy(out.data() + 8, &count, 4);
  return args.copy(out);
}

}  // namespace

NAPI_MODULE_INIT() {
  const std::pair<const char*, napi_callback> functions[] = {
      {"memory", MemoryOf}, {"open", Open},           {"close", Close<Database>},      {"read", Read},
      {"write", Write},     {"remove", Remove},       {"forget", Forget},              {"snapshot", SnapshotOf},
      {"release", Close<Snapshot>}, {"scan", ScanOf}, {"next", Next},                  {"endScan", Close<Scan>},
      {"checkpoint", Checkpoint},   {"property", Property}};
  for (const auto& [name, function] : functions) {
    napi_value made;
    napi_create_function(env, name, NAPI_AUTO_LENGTH, function, nullptr, &made);
    napi_set_named_property(env, exports, name, made);
  }
  return exports;
}
