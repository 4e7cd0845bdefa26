package dev.fovea;

import dev.fovea.model.ModelConfig;

/**
 * A model in a few words.
 *
 * @param name folder or file name
 * @param type e.g. {@code llava 7B Q4_0}
 * @param parameters weights, counted one by one
 * @param bytes what they take in their files
 * @param context positions of one conversation as opened
 * @param template name of the conversation template in use
 * @param regions name of the referring-prompt preset in use
 * @param imageMode how pictures become squares
 */
public record ModelInfo(
    String name,
    String type,
    long parameters,
    long bytes,
    int context,
    String template,
    String regions,
    String imageMode,
    ModelConfig config) {}
