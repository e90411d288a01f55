using System.Text.Json;
using McpCan.Server.Access;
using McpCan.Server.Environments;
using McpCan.Server.Hosting;
using McpCan.Server.Instances;
using McpCan.Server.Market;
using McpCan.Server.Market.Sources;
using McpCan.Server.Packages;
using McpCan.Server.Traffic;
using Microsoft.AspNetCore.DataProtection.EntityFrameworkCore;
using Microsoft.AspNetCore.Identity.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.ChangeTracking;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using Microsoft.EntityFrameworkCore.Storage.ValueConversion;

namespace McpCan.Server;

/// <summary>The one data model. Use <see cref="IDbContextFactory{TContext}"/> outside of requests and in the console.</summary>
public abstract class McpCanDb(DbContextOptions options) : IdentityUserContext<User>(options), IDataProtectionKeyContext
{
    public DbSet<Setting> Settings => Set<Setting>();
    public DbSet<Lease> Leases => Set<Lease>();
    public DbSet<ApiKey> ApiKeys => Set<ApiKey>();
    public DbSet<Token> Tokens => Set<Token>();
    public DbSet<Package> Packages => Set<Package>();
    public DbSet<PackageVersion> PackageVersions => Set<PackageVersion>();
    public DbSet<RegisteredEnvironment> Environments => Set<RegisteredEnvironment>();
    public DbSet<Instance> Instances => Set<Instance>();
    public DbSet<InstanceDefinitions> Definitions => Set<InstanceDefinitions>();
    public DbSet<Deployment> Deployments => Set<Deployment>();
    public DbSet<InstanceEvent> InstanceEvents => Set<InstanceEvent>();
    public DbSet<Template> Templates => Set<Template>();
    public DbSet<MarketSource> MarketSources => Set<MarketSource>();
    public DbSet<MarketEntry> MarketEntries => Set<MarketEntry>();
    public DbSet<AccessLogEntry> AccessLog => Set<AccessLogEntry>();
    public DbSet<AccessPayload> AccessPayloads => Set<AccessPayload>();
    public DbSet<TrafficCount> Traffic => Set<TrafficCount>();
    public DbSet<UsageCount> Usage => Set<UsageCount>();
    public DbSet<DataProtectionKey> DataProtectionKeys => Set<DataProtectionKey>();

    protected override void OnModelCreating(ModelBuilder builder)
    {
        base.OnModelCreating(builder);
        builder.Entity<Setting>().HasKey(s => s.Key);
        builder.Entity<Lease>().HasKey(l => l.Name);
        builder.Entity<ApiKey>().HasIndex(k => k.Hash).IsUnique();
        builder.Entity<Token>(t =>
        {
            t.HasIndex(x => x.Hash).IsUnique();
            t.Property(x => x.InstanceIds).AsJson();
            t.Property(x => x.Tools).AsJson();
            t.Property(x => x.Prompts).AsJson();
            t.Property(x => x.Resources).AsJson();
            t.Property(x => x.Addresses).AsJson();
            t.Property(x => x.Addresses).HasDefaultValueSql("'[]'");
            t.Property(x => x.Limits).AsJson();
        });
        builder.Entity<RegisteredEnvironment>(e =>
        {
            e.HasIndex(x => x.Name).IsUnique();
            e.Property(x => x.Limits).AsJson();
            e.Property(x => x.Revision).IsConcurrencyToken();
        });
        builder.Entity<Package>(p =>
        {
            p.HasIndex(x => x.Name).IsUnique();
            p.HasMany(x => x.Versions).WithOne().HasForeignKey(v => v.PackageId);
        });
        builder.Entity<PackageVersion>(v =>
        {
            v.HasKey(x => new { x.PackageId, x.Version });
            v.Property(x => x.Detected).AsJson();
        });
        builder.Entity<Instance>(i =>
        {
            i.HasIndex(x => x.Slug).IsUnique();
            i.Property(x => x.Source).AsJson();
            i.Property(x => x.Remote).AsJson();
            i.Property(x => x.Virtual).AsJson();
            i.Property(x => x.Env).AsJson();
            i.Property(x => x.Limits).AsJson();
            i.Property(x => x.Registry).AsJson();
            i.Property(x => x.Egress).AsJson();
            i.Property(x => x.Egress).HasDefaultValueSql("'{\"mode\":\"open\"}'");
            i.Property(x => x.TrafficLimits).AsJson();
            i.Property(x => x.Capture).AsJson();
            i.Property(x => x.Status).AsJson();
            i.Property(x => x.Place).AsJson();
            i.Property(x => x.Pinned).AsJson();
            i.Property(x => x.Rollout).AsJson();
            i.Property(x => x.Revision).IsConcurrencyToken();
        });
        builder.Entity<InstanceDefinitions>().HasKey(d => d.InstanceId);
        builder.Entity<Deployment>(d =>
        {
            d.HasIndex(x => new { x.InstanceId, x.StartedAt });
            d.Property(x => x.Log).AsJson();
            d.Property(x => x.Tools).AsJson();
        });
        builder.Entity<InstanceEvent>().HasIndex(e => new { e.InstanceId, e.Id });
        builder.Entity<Template>(t =>
        {
            t.Property(x => x.Definition).AsJson();
            t.Property(x => x.Roles).AsJson();
            t.Property(x => x.Revision).IsConcurrencyToken();
        });
        builder.Entity<MarketSource>(s =>
        {
            s.HasIndex(x => x.Name).IsUnique();
            s.Property(x => x.Offered).AsJson();
        });
        builder.Entity<MarketEntry>(e =>
        {
            e.HasKey(x => new { x.SourceId, x.Name });
            e.Property(x => x.Item).AsJson();
        });
        builder.Entity<AccessLogEntry>(a =>
        {
            a.HasIndex(x => x.Time);
            a.HasIndex(x => new { x.InstanceId, x.Id });
            a.HasIndex(x => new { x.TokenId, x.Id });
        });
        builder.Entity<AccessPayload>().HasIndex(p => p.Time);
        builder.Entity<TrafficCount>(c =>
        {
            c.HasKey(x => new { x.InstanceId, x.Minute, x.Method, x.Target, x.TokenId, x.Client, x.Bucket });
            c.HasIndex(x => x.Minute);
        });
        builder.Entity<UsageCount>(u =>
        {
            u.HasKey(x => new { x.InstanceId, x.Minute });
            u.HasIndex(x => x.Minute);
        });
    }

    protected override void ConfigureConventions(ModelConfigurationBuilder configurationBuilder)
    {
        base.ConfigureConventions(configurationBuilder);
        // SQLite has no date type that sorts with offsets; UTC ticks sort and compare on both providers.
        configurationBuilder.Properties<DateTimeOffset>().HaveConversion<UtcTicks>();
    }

    private sealed class UtcTicks() : ValueConverter<DateTimeOffset, long>(t => t.UtcTicks, n => new DateTimeOffset(n, TimeSpan.Zero));
}

/// <summary>The model on SQLite: the embedded default.</summary>
public sealed class SqliteDb(DbContextOptions<SqliteDb> options) : McpCanDb(options);

/// <summary>The model on PostgreSQL: for teams and for several replicas.</summary>
public sealed class PostgresDb(DbContextOptions<PostgresDb> options) : McpCanDb(options);

internal static class JsonColumns
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);

    /// <summary>Keeps a value as JSON text, the same on every provider.</summary>
    public static void AsJson<T>(this PropertyBuilder<T> property)
    {
        property.HasConversion(
            new ValueConverter<T, string>(v => JsonSerializer.Serialize(v, Json), s => JsonSerializer.Deserialize<T>(s, Json)!),
            new ValueComparer<T>(
                (a, b) => JsonSerializer.Serialize(a, Json) == JsonSerializer.Serialize(b, Json),
                v => JsonSerializer.Serialize(v, Json).GetHashCode(StringComparison.Ordinal),
                v => JsonSerializer.Deserialize<T>(JsonSerializer.Serialize(v, Json), Json)!));
    }
}
