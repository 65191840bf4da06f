/**
 * `make test` looks at the same cases every time: whoever sees it fail can see it again. `make chaos` looks for new ones, and
 * a failure prints its seed.
 */
import fc from "fast-check";

if (process.env["WEIR_LONG"] !== "1") fc.configureGlobal({ seed: 1 });
