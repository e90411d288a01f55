namespace McpCan.Server.Web.Resources;

/// <summary>Texts of tokens, access log, users and API keys.</summary>
public sealed class AccessTexts;

/// <summary>Texts of the server pages.</summary>
public sealed class InstanceTexts;

/// <summary>Texts of the log viewer.</summary>
public sealed class LogTexts;

/// <summary>Texts of the market and of templates.</summary>
public sealed class MarketTexts;

/// <summary>Texts of the code package pages.</summary>
public sealed class PackageTexts;

/// <summary>Texts of overview and environments.</summary>
public sealed class PlatformTexts;

/// <summary>Texts of the playground.</summary>
public sealed class PlaygroundTexts;

/// <summary>Texts of remote servers and of the change between modes.</summary>
public sealed class RemoteTexts;

/// <summary>Texts of the frame and words used everywhere.</summary>
public sealed class ShellTexts;

/// <summary>Texts of the charts of traffic.</summary>
public sealed class TrafficTexts;

/// <summary>Texts of virtual servers.</summary>
public sealed class VirtualTexts;

/// <summary>Texts of the add-server wizard.</summary>
public sealed class WizardTexts;
