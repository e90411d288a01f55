using McpCan.Gateway;
using McpCan.Server.Hosting;
using McpCan.Server.Instances;
using Microsoft.AspNetCore.DataProtection;

namespace McpCan.UnitTests.Instances;

public sealed class InstanceRoutesTests
{
    private static readonly GatewayUpstream Here = new("unix:/a", 3);
    private readonly InstanceRoutes _routes = new(new McpCanOptions(), new RemoteSettings(new SecretProtector(new EphemeralDataProtectionProvider()), TimeProvider.System));

    [Fact]
    public void Find_BySlugAndById()
    {
        _routes.Set(New("i-1", "one"), Here);

        Assert.Same(_routes.Find("one"), _routes.Find("i-1"));
        Assert.Equal(Here, _routes.Find("one")!.Upstream);
        Assert.Null(_routes.Find("two"));
    }

    [Fact]
    public void Set_OfSettings_KeepsTheUpstream_AndMovesTheSlug()
    {
        _routes.Set(New("i-1", "one"), Here);
        _routes.Set(New("i-1", "uno"));
        _routes.Set(New("i-2", "one"), null);

        Assert.Equal(Here, _routes.Find("uno")!.Upstream);
        Assert.Equal("i-2", _routes.Find("one")!.InstanceId);
        _routes.Remove("i-1");
        Assert.Null(_routes.Find("uno"));
        Assert.NotNull(_routes.Find("one"));
    }

    [Fact]
    public void WhatWasReadBeforeAServerSlept_DoesNotWakeIt()
    {
        var asleep = New("i-1", "one");
        (asleep.Limits, asleep.Status, asleep.Pinned, asleep.Revision) = (new() { SleepSeconds = 1 }, new InstanceStatus { State = InstanceStates.Sleeping }, new PinnedVersion(asleep.Generation, "a"), 4);
        var before = New("i-1", "one");
        (before.Limits, before.Status, before.Revision) = (asleep.Limits, new InstanceStatus { State = InstanceStates.Starting }, 4);
        _routes.Set(asleep, null);

        _routes.SetIfNewer(before);
        Assert.NotNull(_routes.Find("one")!.Sleep);

        before.Revision = 5;
        _routes.SetIfNewer(before);
        Assert.Null(_routes.Find("one")!.Sleep);
    }

    [Theory]
    [InlineData(InstanceStates.Starting, "starting")]
    [InlineData(InstanceStates.Failed, "failed")]
    [InlineData(InstanceStates.Stopped, "stopped")]
    public void Stopped_HasNoUpstream_ButAReason(string state, string word)
    {
        var instance = New("i-1", "one");
        instance.ShouldRun = false;
        instance.Status = new InstanceStatus { State = state, Reason = "exit code 3: SECRET=abc" };
        _routes.Set(instance, Here);

        Assert.Null(_routes.Find("one")!.Upstream);
        Assert.Contains(word, _routes.Find("one")!.UnavailableReason, StringComparison.Ordinal);
        Assert.DoesNotContain("SECRET", _routes.Find("one")!.UnavailableReason, StringComparison.Ordinal);
    }

    private static Instance New(string id, string slug) => new() { Id = id, Name = slug, Slug = slug, Mode = "managed", ShouldRun = true };
}
