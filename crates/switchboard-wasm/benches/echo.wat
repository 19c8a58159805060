;; A bundle whose tools answer with their arguments, and which has nothing else.
(component
  (import "switchboard:bundle/outcome@1.0.0" (instance $types
    (type $fault' (record (field "message" string) (field "detail" (option string))))
    (export "fault" (type $fault (eq $fault')))
    (type $failure' (variant (case "not-found" string) (case "invalid-arguments" string) (case "failed" $fault)))
    (export "failure" (type (eq $failure')))))
  (alias export $types "failure" (type $failure))

  (core module $echo
    (memory (export "memory") 2)
    ;; An answer is given before the next call begins, so every call may begin at the start again.
    (global $free (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32) (param $size i32) (result i32)
      (local $at i32)
      (local.set $at (global.get $free))
      (global.set $free (i32.add (local.get $at) (local.get $size)))
      (local.get $at))
    (func (export "again") (param i32)
      (global.set $free (i32.const 1024)))
    (func (export "call") (param i32 i32) (param $text i32) (param $length i32) (result i32)
      (i32.store8 (i32.const 16) (i32.const 0))
      (i32.store (i32.const 20) (local.get $text))
      (i32.store (i32.const 24) (local.get $length))
      (i32.const 16))
    (func (export "read") (param i32 i32) (result i32) unreachable))
  (core instance $echo (instantiate $echo))

  (type $answer (result string (error $failure)))
  (func $call (param "name" string) (param "arguments" string) (result $answer)
    (canon lift (core func $echo "call") (memory $echo "memory")
      (realloc (func $echo "realloc")) (post-return (func $echo "again"))))
  (func $read (param "uri" string) (result $answer)
    (canon lift (core func $echo "read") (memory $echo "memory") (realloc (func $echo "realloc"))))

  (instance (export "switchboard:bundle/handler@1.0.0")
    (export "call-tool" (func $call))
    (export "read-resource" (func $read))
    (export "get-prompt" (func $call))))
