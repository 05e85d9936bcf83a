// The conformance test with the tools of libgpiod 1; with those of version 2 it is in gpio.test.ts. Apart because a process is started at every step.
import { testDriver } from "../conformance.ts";
import { stubTest } from "./stub-test.ts";

testDriver("gpio with libgpiod 1", stubTest(1));
