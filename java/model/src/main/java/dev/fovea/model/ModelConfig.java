package dev.fovea.model;

/** The dims of a whole model. */
public record ModelConfig(VisionConfig vision, ProjectorConfig projector, DecoderConfig decoder) {}
