"""What schemathesis does not know of itself: a component is bytes."""

import schemathesis

schemathesis.serializer.alias("application/wasm", "application/octet-stream")
