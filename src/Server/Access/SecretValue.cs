using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace McpCan.Server.Access;

/// <summary>A token's or API key's value: 256 random bits behind a readable prefix. Shown once, kept as SHA-256.</summary>
internal static class SecretValue
{
    public static string New(string prefix) => prefix + Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));

    public static string Hash(string value) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(value)));

    /// <summary>Enough to recognise it by, too little to guess it.</summary>
    public static string Hint(string value) => $"{value[..4]}…{value[^4..]}";
}
