;; Finds the values of records by their layouts, sixteen bytes at a time. layout.ts says what a layout is, layout-scanner.ts
;; what the memory has where. `make gen` makes layout-code.ts of this file.
;;
;; A scan of a value is `end * 16 + kind`, or negative, as in scan.ts. Nothing here checks the end of the data: behind the
;; last record is a zero, which ends texts and numbers and is in no layout. A record that a scan left has not its layout.
(module
  ;; The tokenizer, for a value that is not plain: an escape, an exponent, a list.
  (import "json" "scanValue" (func $scanValue (param $p i32) (result i32)))
  (import "json" "memory" (memory 1))
  ;; Starts and ends of records; addresses of layouts, in the order in which they are tried; a row for each record.
  (import "json" "records" (global $records i32))
  (import "json" "layouts" (global $layouts i32))
  (import "json" "rows" (global $rows i32))
  ;; Quotes; backslashes; blanks; what is added to digits; what they are at most then.
  (data (i32.const 0)
    "\22\22\22\22\22\22\22\22\22\22\22\22\22\22\22\22"
    "\5c\5c\5c\5c\5c\5c\5c\5c\5c\5c\5c\5c\5c\5c\5c\5c"
    "\20\20\20\20\20\20\20\20\20\20\20\20\20\20\20\20"
    "\50\50\50\50\50\50\50\50\50\50\50\50\50\50\50\50"
    "\89\89\89\89\89\89\89\89\89\89\89\89\89\89\89\89")

  ;; Fills the rows of n records. A row has `width` bytes; it begins with 1 if its record has one of the layouts, of which so
  ;; many are known, else with 0. `shift` is added to places: those in the batch are told.
  (func (export "scan") (param $n i32) (param $known i32) (param $width i32) (param $shift i32)
    (local $record i32) (local $row i32) (local $tried i32) (local $behind i32)
    (local.set $record (global.get $records))
    (local.set $row (global.get $rows))
    (local.set $behind (i32.add (global.get $layouts) (i32.shl (local.get $known) (i32.const 2))))
    (loop $next
      (i32.store (local.get $row) (i32.const 0))
      (local.set $tried (global.get $layouts))
      (block $done
        (loop $try
          (br_if $done (i32.eq (local.get $tried) (local.get $behind)))
          (if (call $fits (i32.load (local.get $tried)) (local.get $record) (local.get $row) (local.get $shift))
            (then
              (i32.store (local.get $row) (i32.const 1))
              (call $moveFirst (local.get $tried))
              (br $done)))
          (local.set $tried (i32.add (local.get $tried) (i32.const 4)))
          (br $try)))
      (local.set $record (i32.add (local.get $record) (i32.const 8)))
      (local.set $row (i32.add (local.get $row) (local.get $width)))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))

  ;; The layout that fitted is the first to be tried next; the others keep their order.
  (func $moveFirst (param $from i32)
    (local $layout i32)
    (local.set $layout (i32.load (local.get $from)))
    (loop $move
      (if (i32.ne (local.get $from) (global.get $layouts))
        (then
          (i32.store (local.get $from) (i32.load (i32.sub (local.get $from) (i32.const 4))))
          (local.set $from (i32.sub (local.get $from) (i32.const 4)))
          (br $move))))
    (i32.store (global.get $layouts) (local.get $layout)))

  ;; Whether the record has this layout. Its row then has the places and kinds of the values that are asked for.
  (func $fits (param $step i32) (param $record i32) (param $row i32) (param $shift i32) (result i32)
    (local $p i32) (local $end i32) (local $kind i32) (local $scan i32)
    (local $slot i32) (local $mask i32) (local $n i32) (local $c i32)
    (local.set $p (i32.load (local.get $record)))
    (loop $next
      (local.set $mask (i32.load16_u offset=16 (local.get $step)))
      (if (i32.ne
            (i32.and
              (i8x16.bitmask (i8x16.eq (v128.load (local.get $p)) (v128.load (local.get $step))))
              (local.get $mask))
            (local.get $mask))
        (then (return (i32.const 0))))
      (local.set $p (i32.add (local.get $p) (i32.load8_u offset=18 (local.get $step))))
      (block $found
        (block $scanned
          (block $end (block $missing (block $other (block $number (block $text (block $more
            (br_table $more $text $number $other $missing $end (i32.load8_u offset=19 (local.get $step))))
            ;; more
            (local.set $step (i32.add (local.get $step) (i32.const 32)))
            (br $next))
            ;; text
            (local.set $n (i8x16.bitmask (call $odd (v128.load offset=1 (local.get $p)))))
            (if (local.get $n)
              (then (local.set $n (i32.ctz (local.get $n))))
              (else (local.set $n (call $length (local.get $p)))))
            (local.set $end
              (i32.add (i32.add (local.get $p) (i32.const 1)) (call $guessed (local.get $step) (i32.const 0) (local.get $n))))
            (if (i32.eq (i32.load8_u (local.get $end)) (i32.const 34))
              (then
                (local.set $end (i32.add (local.get $end) (i32.const 1)))
                (local.set $kind (i32.const 1))
                (br $found)))
            (local.set $scan (call $otherText (local.get $p) (local.get $end)))
            (br $scanned))
            ;; number: up to 15 digits, and as many behind a point. -0, a zero before other digits and exponents are left to
            ;; the tokenizer.
            (local.set $end (local.get $p))
            (if (i32.eq (i32.load8_u (local.get $p)) (i32.const 45))
              (then (local.set $end (i32.add (local.get $p) (i32.const 1)))))
            (local.set $n (call $digits (local.get $end)))
            (block $odd
              (br_if $odd (i32.ge_u (i32.sub (local.get $n) (i32.const 1)) (i32.const 15)))
              (if (i32.eq (i32.load8_u (local.get $end)) (i32.const 48))
                (then
                  (br_if $odd (i32.gt_u (local.get $n) (i32.const 1)))
                  (br_if $odd (i32.ne (local.get $p) (local.get $end)))))
              (local.set $end (i32.add (local.get $end) (call $guessed (local.get $step) (i32.const 0) (local.get $n))))
              (local.set $c (i32.load8_u (local.get $end)))
              (br_if $odd (i32.eq (i32.or (local.get $c) (i32.const 32)) (i32.const 101)))
              (local.set $kind (i32.const 3))
              (br_if $found (i32.ne (local.get $c) (i32.const 46)))
              (local.set $end (i32.add (local.get $end) (i32.const 1)))
              (local.set $n (call $digits (local.get $end)))
              (br_if $odd (i32.ge_u (i32.sub (local.get $n) (i32.const 1)) (i32.const 15)))
              (local.set $end (i32.add (local.get $end) (call $guessed (local.get $step) (i32.const 4) (local.get $n))))
              (br_if $odd (i32.eq (i32.or (i32.load8_u (local.get $end)) (i32.const 32)) (i32.const 101)))
              (local.set $kind (i32.const 4))
              (br $found))
            (local.set $scan (call $scanValue (local.get $p)))
            (br $scanned))
            ;; other
            (local.set $scan (call $other (local.get $p)))
            (br $scanned))
            ;; missing
            (local.set $scan (i32.shl (local.get $p) (i32.const 4)))
            (br $scanned))
          ;; end
          (return (i32.eq (local.get $p) (i32.load offset=4 (local.get $record)))))
        (if (i32.lt_s (local.get $scan) (i32.const 0)) (then (return (i32.const 0))))
        (local.set $end (i32.shr_u (local.get $scan) (i32.const 4)))
        (local.set $kind (i32.and (local.get $scan) (i32.const 15))))
      (local.set $slot (i32.add (local.get $row) (i32.load offset=28 (local.get $step))))
      (i32.store (local.get $slot) (i32.add (local.get $p) (local.get $shift)))
      (i32.store offset=4 (local.get $slot) (i32.add (local.get $end) (local.get $shift)))
      (i32.store offset=8 (local.get $slot) (local.get $kind))
      (local.set $p (local.get $end))
      (local.set $step (i32.add (local.get $step) (i32.const 32)))
      (br $next))
    (unreachable))

  ;; The text at p, which is ASCII up to q: its other characters, too, but escapes.
  (func $otherText (param $p i32) (param $q i32) (result i32)
    (local $x v128) (local $odd i32)
    (loop $on
      (local.set $x (v128.load (local.get $q)))
      (local.set $odd
        (i8x16.bitmask
          (v128.or
            (v128.or
              (i8x16.eq (local.get $x) (i8x16.splat (i32.const 34)))
              (i8x16.eq (local.get $x) (i8x16.splat (i32.const 92))))
            (i8x16.lt_u (local.get $x) (i8x16.splat (i32.const 32))))))
      (if (i32.eqz (local.get $odd))
        (then
          (local.set $q (i32.add (local.get $q) (i32.const 16)))
          (br $on))))
    (local.set $q (i32.add (local.get $q) (i32.ctz (local.get $odd))))
    (if (result i32) (i32.eq (i32.load8_u (local.get $q)) (i32.const 34))
      (then (i32.or (i32.shl (i32.add (local.get $q) (i32.const 1)) (i32.const 4)) (i32.const 2)))
      (else (call $scanValue (local.get $p)))))

  ;; Quotes, backslashes, and what is not ASCII or a control character.
  (func $odd (param $x v128) (result v128)
    (v128.or
      (v128.or
        (i8x16.eq (local.get $x) (v128.load (i32.const 0)))
        (i8x16.eq (local.get $x) (v128.load (i32.const 16))))
      ;; As signed numbers, all that are not ASCII are negative.
      (i8x16.lt_s (local.get $x) (v128.load (i32.const 32)))))

  ;; How long the text at p is up to the first of these. It has at least 16 others.
  (func $length (param $p i32) (result i32)
    (local $q i32) (local $odd i64)
    (local.set $q (i32.add (local.get $p) (i32.const 17)))
    (loop $on
      (local.set $odd
        (i64.or
          (i64.or
            (call $odd16 (v128.load (local.get $q)))
            (i64.shl (call $odd16 (v128.load offset=16 (local.get $q))) (i64.const 16)))
          (i64.or
            (i64.shl (call $odd16 (v128.load offset=32 (local.get $q))) (i64.const 32))
            (i64.shl (call $odd16 (v128.load offset=48 (local.get $q))) (i64.const 48)))))
      (if (i64.eqz (local.get $odd))
        (then
          (local.set $q (i32.add (local.get $q) (i32.const 64)))
          (br $on))))
    (i32.sub
      (i32.add (local.get $q) (i32.wrap_i64 (i64.ctz (local.get $odd))))
      (i32.add (local.get $p) (i32.const 1))))

  (func $odd16 (param $x v128) (result i64)
    (i64.extend_i32_u (i8x16.bitmask (call $odd (local.get $x)))))

  ;; How many digits there are, up to 16; 32 for more.
  (func $digits (param $p i32) (result i32)
    (i32.ctz
      (i8x16.bitmask
        ;; As signed numbers, digits are the smallest then.
        (i8x16.gt_s
          (i8x16.add (v128.load (local.get $p)) (v128.load (i32.const 48)))
          (v128.load (i32.const 64))))))

  ;; n itself, but where it is what it was in the record before, from there: what comes behind the value then need not wait
  ;; for it. The processor only checks later that they are equal. Where they seldom are, it is not guessed.
  (func $guessed (param $step i32) (param $part i32) (param $n i32) (result i32)
    (local $guess i32) (local $wrong i32)
    (local.set $step (i32.add (local.get $step) (local.get $part)))
    (local.set $wrong (i32.load16_u offset=22 (local.get $step)))
    (if (i32.gt_u (local.get $wrong) (i32.const 8192)) (then (return (local.get $n))))
    (local.set $guess (i32.load16_u offset=20 (local.get $step)))
    (if (i32.eq (local.get $guess) (local.get $n)) (then (return (local.get $guess))))
    (i32.store16 offset=20 (local.get $step) (local.get $n))
    (i32.store16 offset=22 (local.get $step) (i32.add (local.get $wrong) (i32.const 1)))
    (local.get $n))

  (func $other (param $p i32) (result i32)
    (local $word i32)
    (local.set $word (i32.load (local.get $p)))
    (if (i32.eq (local.get $word) (i32.const 0x65757274)) ;; true
      (then (return (i32.or (i32.shl (i32.add (local.get $p) (i32.const 4)) (i32.const 4)) (i32.const 5)))))
    (if (i32.eq (local.get $word) (i32.const 0x6c6c756e)) ;; null
      (then (return (i32.or (i32.shl (i32.add (local.get $p) (i32.const 4)) (i32.const 4)) (i32.const 7)))))
    (call $scanValue (local.get $p)))
)
