using McpCan.Server.Hosting;

namespace McpCan.Server.Instances;

/// <summary>What to look for: settings of a remote server, over those of an instance when one is named.</summary>
/// <param name="Remote">The settings; what is left out is taken from the instance.</param>
/// <param name="Instance">Instance whose stored secrets are used where <paramref name="Remote"/> keeps them.</param>
public sealed record DetectInput(RemoteInput Remote, string? Instance = null);

/// <summary>Asks remote servers how they are and what they offer.</summary>
internal sealed class RemoteProbe(RemoteSettings settings, IRemoteInspector inspector, InstanceManager instances)
{
    /// <summary>What is found under settings that need not be stored.</summary>
    public async Task<RemoteFindings> DetectAsync(DetectInput input, CancellationToken cancellationToken)
    {
        var stored = string.IsNullOrEmpty(input.Instance) ? null : (await instances.GetAsync(input.Instance, cancellationToken)).Remote;
        var checks = new Checks();
        var remote = settings.Over(stored, input.Remote, checks);
        checks.Throw();
        return await inspector.DetectAsync(settings.Open(remote!), cancellationToken);
    }

    /// <summary>Whether a proxied server answers.</summary>
    public async Task<ProbeResult> ProbeAsync(Instance instance, CancellationToken cancellationToken) => (await AskAsync(instance, cancellationToken)).Probe;

    /// <summary>The same with the kind of failure on the way to it.</summary>
    public async Task<(ProbeResult Probe, string? Failure)> AskAsync(Instance instance, CancellationToken cancellationToken)
    {
        try
        {
            var found = await inspector.DetectAsync(settings.Open(instance.Remote!), cancellationToken);
            return (new ProbeResult(found.Ok, found.Ok || found.ServerInfo is not null ? "tools" : "initialize", found.Error, found.Ok ? found.Tools.Count : null, found.ServerInfo, found.ProtocolVersion, found.DurationMs), found.Failure);
        }
        catch (ProblemException e)
        {
            return (new ProbeResult(false, "initialize", e.Message, null, null, null, 0), "forbidden");
        }
    }
}
