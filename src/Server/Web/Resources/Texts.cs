namespace McpCan.Server.Web.Resources;

/// <summary>Texts of the frame and words used everywhere.</summary>
public sealed class ShellTexts;
