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
#ifndef itkNNSpatialDeformationRunner_h
#define itkNNSpatialDeformationRunner_h

#include "UniverSegFilteringExport.h"
#include "itkNNSpatialDeformation.h"

#include <list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace itk
{
namespace nn
{
/** An operation, and how often it is done. \ingroup UniverSegFiltering */
struct RandomSpatialOperation
{
  SpatialDeformation::Operation operation;
  double probability = 1; ///< within [0, 1]
};

/** What a seed has made of operations. \ingroup UniverSegFiltering */
struct UniverSegFiltering_EXPORT DrawnSpatialDeformation
{
  SpatialDeformation deformation; ///< the operations that are done
  std::vector<Tensor> noise;      ///< of each elastic one of them: [D, size...], uniform in [0, 1)

  /** Of the operations, as GetSpatialOperationName() gives them. */
  std::vector<std::string> GetNames() const;
};

/** "scale", "flip", "translate", "rotate" or "elastic". \ingroup UniverSegFiltering */
UniverSegFiltering_EXPORT std::string GetSpatialOperationName(const SpatialDeformation::Operation & operation);

/** By the names that ToString() gives. Throw Error for another one.
 * \ingroup UniverSegFiltering */
UniverSegFiltering_EXPORT InterpolationMode GetInterpolationMode(const std::string & name);
UniverSegFiltering_EXPORT BoundaryMode GetBoundaryMode(const std::string & name);

/** Draw which operations are done and the noise of those that are elastic.
 *
 * The numbers are those of Python behind `random.seed(seed)`: for each operation a
 * `random()`, which is done when that is below its probability; then for each element of each
 * noise, the last axis fastest, a `getrandbits(24) / 2**24`. Throws Error when a probability
 * is out of range, and as SpatialDeformation::Check() of all operations, done or not.
 * \param size of the image, the slowest axis first.
 * \ingroup UniverSegFiltering */
UniverSegFiltering_EXPORT DrawnSpatialDeformation
DrawSpatialDeformation(const std::vector<RandomSpatialOperation> & operations, const Shape & size, std::int64_t seed);

/** \class SpatialDeformationRunner
 * \brief Deforms images of one size at the same coordinates, with plans that are kept.
 *
 * One plan serves all numbers of operations of the same kinds, see
 * BuildSpatialDeformationGraph(); the last 32 plans are kept, and the memory of one.
 * \ingroup UniverSegFiltering */
class UniverSegFiltering_EXPORT SpatialDeformationRunner
{
public:
  /** \param backend "auto" or the name of one.
   * \param device "cpu", "cuda", "cuda:1", or "auto": "cuda" where there is one.
   * \param precision "float32" or "float64".
   * \param threads 0: ITK's global default.
   * Throws Error for other texts. Plans are dropped when something has changed. */
  void SetComputation(const std::string & backend,
                      const std::string & device,
                      const std::string & precision,
                      unsigned int threads = 0);

  /** Of tensors: that of the plans. */
  DataType GetPrecision() const
  {
    return m_Options.precision;
  }

  /** \param size of the images, the slowest axis first.
   * \param images how each is sampled.
   * \param pixels of each, by its name, [batch, channels, size...].
   * \return the deformed ones by name, in the plan's precision. Throws Error as
   * BuildSpatialDeformationGraph() and ExecutionPlan::Run(). */
  TensorMap Run(const DrawnSpatialDeformation & drawn,
                const Shape & size,
                const std::vector<DeformedImage> & images,
                TensorMap pixels,
                const RunHooks & hooks = {});

  std::size_t GetNumberOfPlans() const
  {
    return m_Plans.size();
  }

private:
  /** All that a graph depends on. */
  struct Key
  {
    std::vector<std::string> names;
    std::vector<double> numbers;

    bool operator==(const Key & other) const
    {
      return names == other.names && numbers == other.numbers;
    }
  };

  static Key MakeKey(const SpatialDeformation & deformation,
                     const Shape & size,
                     const std::vector<DeformedImage> & images);

  PlanOptions m_Options;
  std::list<std::pair<Key, std::shared_ptr<const ExecutionPlan>>> m_Plans; ///< last used first
};
} // namespace nn
} // namespace itk

#endif
