/**
 * Fovea over HTTP, as OpenAI's API has it, with regions of pictures added, and the page to point at things with. Depends on the engine's public
 * API alone; Vert.x carries the bytes, and everything that computes or waits does so on virtual threads. Start at {@link
 * dev.fovea.server.Server}.
 */
@NullMarked
package dev.fovea.server;

import org.jspecify.annotations.NullMarked;
