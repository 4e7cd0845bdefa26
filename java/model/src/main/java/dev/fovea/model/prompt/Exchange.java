package dev.fovea.model.prompt;

/** A turn and the answer it got. */
public record Exchange(Turn turn, String answer) {}
