;; Checks and reads record batches, https://kafka.apache.org/documentation/#recordbatch, that batch-decoder.ts copied into
;; its memory, and tells it what is where. `make gen` makes record-batch-code.ts of this file.
;;
;; Nothing here trusts a batch: lengths are compared with its end before they are added to a place. Only the varints of the
;; record at hand may be read behind it, at most 64 bytes.
(module
  (import "kafka" "memory" (memory 1))
  ;; Where the records go on, and how many are left.
  (import "kafka" "cursor" (global $cursor i32))
  ;; Columns of `most` records.
  (import "kafka" "off" (global $off i32))
  (import "kafka" "len" (global $len i32))
  (import "kafka" "keyOff" (global $keyOff i32))
  (import "kafka" "keyLen" (global $keyLen i32))
  (import "kafka" "ts" (global $ts i32))
  (import "kafka" "offset" (global $offset i32))
  ;; Room for 26,976 bytes, and for 5,312.
  (import "kafka" "window" (global $window i32))
  (import "kafka" "rest" (global $rest i32))

  ;; Behind the varint that was read last.
  (global $behind (mut i32) (i32.const 0))
  ;; Whether one had more bytes than a varint has.
  (global $endless (mut i32) (i32.const 0))

  ;; Reads records into the columns behind the first n, until there are `most` of them or a place is behind `until`; how many
  ;; there are then, or -1 if they do not add up. Records before `from` are left out.
  (func (export "decode")
    (param $end i32) (param $n i32) (param $most i32) (param $until i32)
    (param $baseTs f64) (param $baseOffset f64) (param $from f64) (result i32)
    (local $at i32) (local $left i32) (local $next i32) (local $length i32) (local $ts8 f64) (local $position f64)
    (local $keyLen4 i32) (local $key i32) (local $valueLen i32) (local $value i32) (local $n4 i32) (local $n8 i32)
    (global.set $endless (i32.const 0))
    (local.set $at (i32.load (global.get $cursor)))
    (local.set $left (i32.load offset=4 (global.get $cursor)))
    (block $done
      (loop $record
        (br_if $done (i32.le_s (local.get $left) (i32.const 0)))
        (br_if $done (i32.ge_s (local.get $n) (local.get $most)))
        (br_if $done (i32.ge_s (local.get $at) (local.get $until)))
        (if (i32.ge_u (local.get $at) (local.get $end)) (then (return (i32.const -1))))
        (local.set $length (call $varint (local.get $at)))
        ;; As an unsigned number a negative one is too long.
        (if (i32.gt_u (local.get $length) (local.get $end)) (then (return (i32.const -1))))
        (local.set $next (i32.add (global.get $behind) (local.get $length)))
        (if (i32.gt_u (local.get $next) (local.get $end)) (then (return (i32.const -1))))
        ;; One byte of attributes, which no record has.
        (local.set $ts8
          (f64.add (local.get $baseTs) (f64.convert_i64_s (call $varlong (i32.add (global.get $behind) (i32.const 1))))))
        (local.set $position (f64.add (local.get $baseOffset) (f64.convert_i32_s (call $varint (global.get $behind)))))
        (local.set $keyLen4 (call $varint (global.get $behind)))
        (local.set $key (global.get $behind))
        (local.set $value (local.get $key))
        (if (i32.gt_s (local.get $keyLen4) (i32.const 0))
          (then
            (if (i32.gt_u (local.get $keyLen4) (local.get $end)) (then (return (i32.const -1))))
            (local.set $value (i32.add (local.get $key) (local.get $keyLen4)))
            (if (i32.gt_u (local.get $value) (local.get $next)) (then (return (i32.const -1))))))
        (local.set $valueLen (call $varint (local.get $value)))
        (local.set $value (global.get $behind))
        (if (i32.gt_s (local.get $value) (local.get $next)) (then (return (i32.const -1))))
        (if (i32.gt_s (local.get $valueLen) (i32.sub (local.get $next) (local.get $value))) (then (return (i32.const -1))))
        (if (global.get $endless) (then (return (i32.const -1))))
        (local.set $at (local.get $next))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br_if $record (f64.lt (local.get $position) (local.get $from)))
        (local.set $n4 (i32.shl (local.get $n) (i32.const 2)))
        (local.set $n8 (i32.shl (local.get $n) (i32.const 3)))
        (i32.store (i32.add (global.get $off) (local.get $n4)) (local.get $value))
        (i32.store (i32.add (global.get $len) (local.get $n4)) (local.get $valueLen))
        (i32.store (i32.add (global.get $keyOff) (local.get $n4)) (local.get $key))
        (i32.store (i32.add (global.get $keyLen) (local.get $n4)) (local.get $keyLen4))
        (f64.store (i32.add (global.get $ts) (local.get $n8)) (local.get $ts8))
        (f64.store (i32.add (global.get $offset) (local.get $n8)) (local.get $position))
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br $record)))
    (i32.store (global.get $cursor) (local.get $at))
    (i32.store offset=4 (global.get $cursor) (local.get $left))
    (local.get $n))

  ;; A varint of 32 bits, zigzag; one that goes on has all others behind it.
  (func $varint (param $p i32) (result i32)
    (local $raw i32) (local $byte i32)
    (local.set $raw (i32.load8_u (local.get $p)))
    (if (i32.ge_u (local.get $raw) (i32.const 0x80))
      (then
        (local.set $byte (i32.load8_u offset=1 (local.get $p)))
        (if (i32.ge_u (local.get $byte) (i32.const 0x80))
          (then (return (i32.wrap_i64 (call $zigzag (local.get $p) (i32.const 5) (i64.const 0xffff_ffff))))))
        (local.set $raw
          (i32.or (i32.and (local.get $raw) (i32.const 0x7f)) (i32.shl (local.get $byte) (i32.const 7))))
        (local.set $p (i32.add (local.get $p) (i32.const 1)))))
    (global.set $behind (i32.add (local.get $p) (i32.const 1)))
    (i32.xor
      (i32.shr_u (local.get $raw) (i32.const 1))
      (i32.sub (i32.const 0) (i32.and (local.get $raw) (i32.const 1)))))

  (func $varlong (param $p i32) (result i64)
    (local $byte i32)
    (local.set $byte (i32.load8_u (local.get $p)))
    (if (i32.ge_u (local.get $byte) (i32.const 0x80)) (then (return (call $zigzag (local.get $p) (i32.const 10) (i64.const -1)))))
    (global.set $behind (i32.add (local.get $p) (i32.const 1)))
    (i64.extend_i32_s
      (i32.xor
        (i32.shr_u (local.get $byte) (i32.const 1))
        (i32.sub (i32.const 0) (i32.and (local.get $byte) (i32.const 1))))))

  ;; Of up to `most` bytes; of their bits, which may be more than its type has, those of the mask count.
  (func $zigzag (param $p i32) (param $most i32) (param $mask i64) (result i64)
    (local $raw i64) (local $shift i64) (local $byte i64)
    (local.set $most (i32.add (local.get $p) (local.get $most)))
    (loop $more
      (local.set $byte (i64.load8_u (local.get $p)))
      (local.set $raw
        (i64.or
          (local.get $raw)
          (i64.shl (i64.and (local.get $byte) (i64.const 0x7f)) (local.get $shift))))
      (local.set $shift (i64.add (local.get $shift) (i64.const 7)))
      (local.set $p (i32.add (local.get $p) (i32.const 1)))
      (if (i64.ge_u (local.get $byte) (i64.const 0x80))
        (then
          (br_if $more (i32.lt_u (local.get $p) (local.get $most)))
          (global.set $endless (i32.const 1)))))
    (global.set $behind (local.get $p))
    (local.set $raw (i64.and (local.get $raw) (local.get $mask)))
    (i64.xor
      (i64.shr_u (local.get $raw) (i64.const 1))
      (i64.sub (i64.const 0) (i64.and (local.get $raw) (i64.const 1)))))

  ;; Bytes that have the same checksum, CRC-32C, as those from `from` to `to`, which are at least 5,312; the checksum of what is
  ;; before the first must be 0. So many are in `rest` then.
  ;;
  ;; A checksum is a remainder of polynomials, and y^5275 = y^4508 + y^2751 + 1 for its polynomial, where y is x^8: a byte may be
  ;; added to those 767, 2,524 and 5,275 places behind it instead of being there. This is done for sixteen bytes at a time until
  ;; the last 5,275 are left. (Sam Russell, "Chorba: A novel CRC32 implementation", arXiv:2412.16398.)
  (func (export "fold") (param $p i32) (param $to i32) (result i32)
    (local $cut i32) (local $v i32) (local $end i32) (local $out i32)
    (memory.fill (global.get $window) (i32.const 0) (i32.const 5280))
    (local.set $cut
      (i32.add
        (local.get $p)
        (i32.and (i32.sub (i32.sub (local.get $to) (local.get $p)) (i32.const 5275)) (i32.const -32))))
    ;; The window has the last 5,280 bytes as they became, and behind them room for 16,384.
    (block $folded
      (loop $piece
        (local.set $v (i32.add (global.get $window) (i32.const 5280)))
        (local.set $end (i32.add (local.get $p) (i32.const 16384)))
        (if (i32.gt_u (local.get $end) (local.get $cut)) (then (local.set $end (local.get $cut))))
        (br_if $folded (i32.eq (local.get $p) (local.get $end)))
        (loop $on
          (v128.store (local.get $v) (call $folded16 (local.get $p) (local.get $v)))
          (v128.store offset=16
            (local.get $v)
            (call $folded16 (i32.add (local.get $p) (i32.const 16)) (i32.add (local.get $v) (i32.const 16))))
          (local.set $p (i32.add (local.get $p) (i32.const 32)))
          (local.set $v (i32.add (local.get $v) (i32.const 32)))
          (br_if $on (i32.lt_u (local.get $p) (local.get $end))))
        (memory.copy (global.get $window) (i32.sub (local.get $v) (i32.const 5280)) (i32.const 5280))
        (br $piece)))
    ;; What is left is not added to anything any more.
    (memory.fill (local.get $v) (i32.const 0) (i32.const 5312))
    (local.set $out (global.get $rest))
    (loop $left
      (v128.store (local.get $out) (call $folded16 (local.get $p) (local.get $v)))
      (local.set $p (i32.add (local.get $p) (i32.const 16)))
      (local.set $v (i32.add (local.get $v) (i32.const 16)))
      (local.set $out (i32.add (local.get $out) (i32.const 16)))
      (br_if $left (i32.lt_u (local.get $p) (local.get $to))))
    (i32.sub (local.get $to) (local.get $cut)))

  ;; Sixteen bytes, and what was added to them.
  (func $folded16 (param $p i32) (param $v i32) (result v128)
    (v128.xor
      (v128.xor (v128.load (local.get $p)) (v128.load (i32.sub (local.get $v) (i32.const 767))))
      (v128.xor
        (v128.load (i32.sub (local.get $v) (i32.const 2524)))
        (v128.load (i32.sub (local.get $v) (i32.const 5275))))))
)
