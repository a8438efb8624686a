-- Posts one body again and again, and tells wrk's own counts as one line of JSON, its last.
-- Arguments: the body's file, milliseconds between an answer and the next request.

function init(arguments)
  local file = assert(io.open(arguments[1], "r"))
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  wrk.body = file:read("*a")
  file:close()
  pause = tonumber(arguments[2])
end

function delay()
  return pause
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %f, "status": %d, "connect": %d, "read": %d, "write": %d, "timeout": %d, '
      .. '"p50": %f, "p99": %f, "longest": %f}\n',
    summary.requests, summary.duration / 1e6,
    errors.status, errors.connect, errors.read, errors.write, errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3))
end
