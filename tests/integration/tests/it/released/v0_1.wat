;; A mapper for the contract ml-connector:mapper@0.1.0, written out by hand.
;;
;; It names every type of the released contract, and answers every record with `skip` and the record's own id, which it
;; finds by the offsets that the released types have. No generator or SDK of today stands behind it: if the host's
;; adapter for 0.1.0 moves, this no longer links, or answers nonsense. It is never changed.
(component
  (type $types-type (instance
    (type $pairs (list (tuple string string)))
    (export "extra" (type $extra (eq $pairs)))
    (type $money-r (record (field "minor" s64) (field "currency" string)))
    (export "money" (type $money (eq $money-r)))
    (type $ledger-r (record
      (field "name" string) (field "currency" string) (field "time-zone" string) (field "combination" string)
      (field "default-cost-center" string) (field "accounts" $pairs) (field "extra" $extra)))
    (export "ledger" (type $ledger (eq $ledger-r)))
    (type $option-string (option string))
    (type $catalog-entry-r (record
      (field "sku" string) (field "marketplace" string) (field "revenue-account" string)
      (field "cogs-account" $option-string) (field "cost-center" string) (field "rule" string)
      (field "extra" $extra)))
    (export "catalog-entry" (type $catalog-entry (eq $catalog-entry-r)))
    (type $catalog (list $catalog-entry))
    (type $batch-context-r (record
      (field "seller" string) (field "settings" $pairs) (field "ledger" $ledger) (field "catalog" $catalog)
      (field "extra" $extra)))
    (export "batch-context" (type $batch-context (eq $batch-context-r)))
    (type $charge-r (record (field "kind" string) (field "amount" $money) (field "extra" $extra)))
    (export "charge" (type $charge (eq $charge-r)))
    (type $charges (list $charge))
    (type $order-item-r (record
      (field "id" string) (field "sku" string) (field "title" string) (field "quantity-ordered" u32)
      (field "quantity-fulfilled" u32) (field "charges" $charges) (field "tax-collection" string)
      (field "extra" $extra)))
    (export "order-item" (type $order-item (eq $order-item-r)))
    (type $items (list $order-item))
    (type $option-money (option $money))
    (type $order-r (record
      (field "id" string) (field "marketplace" string) (field "status" string) (field "fulfilled-by" string)
      (field "created" s64) (field "updated" s64) (field "shipped-on" $option-string)
      (field "replaces" $option-string) (field "total" $option-money) (field "items" $items)
      (field "extra" $extra)))
    (export "order" (type $order (eq $order-r)))
    (type $leg-r (record
      (field "path" string) (field "amount" $money) (field "sku" $option-string)
      (field "order-item-id" $option-string) (field "extra" $extra)))
    (export "leg" (type $leg (eq $leg-r)))
    (type $legs (list $leg))
    (type $transaction-r (record
      (field "id" string) (field "kind" string) (field "description" string) (field "posted" s64)
      (field "group" $option-string) (field "order-id" $option-string) (field "marketplace" $option-string)
      (field "total" $money) (field "legs" $legs) (field "extra" $extra)))
    (export "transaction" (type $transaction (eq $transaction-r)))
    (type $reason-r (record
      (field "code" string) (field "message" string) (field "subject" string) (field "extra" $extra)))
    (export "reason" (type $reason (eq $reason-r)))
    (type $reasons (list $reason))
    (type $document-line-r (record
      (field "description" string) (field "amount" $money) (field "quantity" u32) (field "account" string)
      (field "sku" $option-string) (field "order-item-id" $option-string) (field "rule" string)
      (field "extra" $extra)))
    (export "document-line" (type $document-line (eq $document-line-r)))
    (type $document-lines (list $document-line))
    (type $invoice-r (record (field "lines" $document-lines) (field "extra" $extra)))
    (export "invoice" (type $invoice (eq $invoice-r)))
    (type $order-outcome-v (variant (case "invoice" $invoice) (case "review" $reasons) (case "skip" string)))
    (export "order-outcome" (type $order-outcome (eq $order-outcome-v)))
    (type $journal-line-r (record
      (field "account" string) (field "amount" $money) (field "label" string) (field "rule" string)
      (field "extra" $extra)))
    (export "journal-line" (type $journal-line (eq $journal-line-r)))
    (type $journal (list $journal-line))
    (type $credit-memo-r (record
      (field "order-id" string) (field "lines" $document-lines) (field "extra" $extra)))
    (export "credit-memo" (type $credit-memo (eq $credit-memo-r)))
    (type $credit-memo-outcome-v (variant (case "credit-memo" $credit-memo) (case "review" $reasons)))
    (export "credit-memo-outcome" (type $credit-memo-outcome (eq $credit-memo-outcome-v)))
    (type $option-credit-memo (option $credit-memo-outcome))
    (type $booking-r (record
      (field "journal" $journal) (field "credit-memo" $option-credit-memo) (field "extra" $extra)))
    (export "booking" (type $booking (eq $booking-r)))
    (type $transaction-outcome-v
      (variant (case "booking" $booking) (case "review" $reasons) (case "skip" string)))
    (export "transaction-outcome" (type $transaction-outcome (eq $transaction-outcome-v)))
    (type $setting-r (record
      (field "key" string) (field "description" string) (field "required" bool) (field "extra" $extra)))
    (export "setting" (type $setting (eq $setting-r)))
    (type $settings (list $setting))
    (type $description-r (record
      (field "name" string) (field "version" string) (field "settings" $settings) (field "extra" $extra)))
    (export "description" (type $description (eq $description-r)))
  ))
  (import "ml-connector:mapper/types@0.1.0" (instance $types (type $types-type)))
  (alias export $types "batch-context" (type $batch-context))
  (alias export $types "description" (type $description))
  (alias export $types "order" (type $order))
  (alias export $types "order-outcome" (type $order-outcome))
  (alias export $types "transaction" (type $transaction))
  (alias export $types "transaction-outcome" (type $transaction-outcome))

  (core module $module
    (memory (export "memory") 16)
    (global $free (mut i32) (i32.const 4096))
    (data (i32.const 16) "released0.1.0")
    ;; A mark that only rises; the host's instance lives for one call.
    (func $allocate (export "realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32)
      (result i32)
      (local $at i32)
      (local.set $at
        (i32.and
          (i32.add (global.get $free) (i32.sub (local.get $align) (i32.const 1)))
          (i32.sub (i32.const 0) (local.get $align))))
      (global.set $free (i32.add (local.get $at) (local.get $size)))
      (local.get $at))
    (func (export "describe") (result i32)
      (local $out i32)
      (local.set $out (call $allocate (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 32)))
      (i32.store offset=0 (local.get $out) (i32.const 16))
      (i32.store offset=4 (local.get $out) (i32.const 8))
      (i32.store offset=8 (local.get $out) (i32.const 24))
      (i32.store offset=12 (local.get $out) (i32.const 5))
      (i64.store offset=16 (local.get $out) (i64.const 0))
      (i64.store offset=24 (local.get $out) (i64.const 0))
      (local.get $out))
    ;; `skip` (case 2) with the id, the first member, of each of `count` records of `stride` bytes; an outcome has
    ;; `size` bytes.
    (func $skip-all (param $records i32) (param $count i32) (param $stride i32) (param $size i32) (result i32)
      (local $out i32) (local $at i32)
      (local.set $out (call $allocate (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 8)))
      (local.set $at
        (call $allocate (i32.const 0) (i32.const 0) (i32.const 8) (i32.mul (local.get $count) (local.get $size))))
      (i32.store offset=0 (local.get $out) (local.get $at))
      (i32.store offset=4 (local.get $out) (local.get $count))
      (block $done (loop $next
        (br_if $done (i32.eqz (local.get $count)))
        (i32.store8 (local.get $at) (i32.const 2))
        ;; Both outcomes hold their case in four bytes.
        (i64.store offset=4 align=4 (local.get $at) (i64.load align=4 (local.get $records)))
        (local.set $records (i32.add (local.get $records) (local.get $stride)))
        (local.set $at (i32.add (local.get $at) (local.get $size)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $next)))
      (local.get $out))
    ;; The arguments do not fit sixteen values, so they lie in memory: a context of 88 bytes, then the list.
    (func (export "map-orders") (param $arguments i32) (result i32)
      (call $skip-all
        (i32.load offset=88 (local.get $arguments)) (i32.load offset=92 (local.get $arguments))
        (i32.const 112) (i32.const 20)))
    (func (export "map-transactions") (param $arguments i32) (result i32)
      (call $skip-all
        (i32.load offset=88 (local.get $arguments)) (i32.load offset=92 (local.get $arguments))
        (i32.const 104) (i32.const 52)))
  )
  (core instance $guest (instantiate $module))
  (alias core export $guest "memory" (core memory $memory))
  (alias core export $guest "realloc" (core func $realloc))
  (func $describe (result $description)
    (canon lift (core func $guest "describe") (memory $memory) (realloc (core func $realloc)) string-encoding=utf8))
  (export "describe" (func $describe))
  (type $orders (list $order))
  (type $order-outcomes (list $order-outcome))
  (func $map-orders (param "context" $batch-context) (param "orders" $orders) (result $order-outcomes)
    (canon lift (core func $guest "map-orders") (memory $memory) (realloc (core func $realloc)) string-encoding=utf8))
  (export "map-orders" (func $map-orders))
  (type $transactions (list $transaction))
  (type $transaction-outcomes (list $transaction-outcome))
  (func $map-transactions (param "context" $batch-context) (param "transactions" $transactions)
    (result $transaction-outcomes)
    (canon lift (core func $guest "map-transactions") (memory $memory) (realloc (core func $realloc)) string-encoding=utf8))
  (export "map-transactions" (func $map-transactions))
)
