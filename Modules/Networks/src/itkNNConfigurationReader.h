/*=========================================================================
 *
 *  Copyright itk-universeg developers
 *
 *  Licensed under the Apache License, Version 2.0 (the "License");
 *  you may not use this file except in compliance with the License.
 *  You may obtain a copy of the License at
 *
 *         https://www.apache.org/licenses/LICENSE-2.0.txt
 *
 *  Unless required by applicable law or agreed to in writing, software
 *  distributed under the License is distributed on an "AS IS" BASIS,
 *  WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 *  See the License for the specific language governing permissions and
 *  limitations under the License.
 *
 *=========================================================================*/
#ifndef itkNNConfigurationReader_h
#define itkNNConfigurationReader_h

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace itk
{
namespace nn
{
/** \class ConfigurationReader
 * \brief The values of a network's JSON configuration, checked.
 *
 * The values may also lie in an object "config", as a file has it that
 * describes more than the network. Errors name the network, the key, what it
 * was and what it should be.
 */
class ConfigurationReader
{
public:
  ConfigurationReader(std::string network, const std::string & text);

  /** Throws Error when the key is missing. */
  std::int64_t GetInteger(const char * key, std::int64_t low, std::int64_t high) const;
  std::int64_t GetInteger(const char * key, std::int64_t fallback, std::int64_t low, std::int64_t high) const;

  /** A list of integers of [low, high] with one of the given lengths. */
  std::vector<std::int64_t> GetIntegers(const char * key,
                                        std::vector<std::int64_t> fallback,
                                        const std::vector<std::size_t> & lengths,
                                        std::int64_t low,
                                        std::int64_t high) const;

  /** A list of any length of integers of [low, high]. Throws Error when the key is missing. */
  std::vector<std::int64_t> GetIntegers(const char * key, std::int64_t low, std::int64_t high) const;

  /** As many triples as the fallback has, for D, H and W, of integers of [low, high]. */
  std::vector<std::array<std::int64_t, 3>> GetTriples(const char * key,
                                                      std::vector<std::array<std::int64_t, 3>> fallback,
                                                      std::int64_t low,
                                                      std::int64_t high) const;

  /** The objects of a list, none when the key is missing. */
  std::vector<ConfigurationReader> GetObjects(const char * key) const;

  bool GetBoolean(const char * key, bool fallback) const;

  /** One of the choices. */
  std::string GetChoice(const char * key, const std::string & fallback, const std::vector<std::string> & choices) const;

  /** A list of numbers of [0, 1) with one of the given lengths. */
  std::vector<double> GetProbabilities(const char * key,
                                       std::vector<double> fallback,
                                       const std::vector<std::size_t> & lengths) const;

  /** A number of [0, 1). */
  double GetProbability(const char * key, double fallback) const;

private:
  ConfigurationReader(std::string network, nlohmann::json json)
    : m_Network(std::move(network))
    , m_Json(std::move(json))
  {}

  /** Null where the key is missing or null. */
  const nlohmann::json * Find(const char * key) const;
  /** Throws the Error that the key's value is not what it should be. */
  [[noreturn]] void Refuse(const char * key, const nlohmann::json & value, const std::string & expected) const;

  std::string m_Network;
  nlohmann::json m_Json;
};
} // namespace nn
} // namespace itk

#endif
